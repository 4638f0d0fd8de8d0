/* weirctl: one command on weird's control socket; without a verb, a prompt. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/num.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/frame.h"
#include "lib/ctl/heritage.h"

#define DEFAULT_SOCKET "/run/weir/control.sock"

struct session {
	const char *path;
	int fd, json;
	uint64_t wait_ns;	/* 0: as long as it takes */
	struct buf in;
};

static void usage(FILE *to)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	dispatch_help(CMD_COUNT, &b);
	fprintf(to,
		"usage: weirctl [-s SOCKET] [-j|--json] [--wait SECONDS] COMMAND [ARGUMENT ...]\n"
		"Without a command, commands are read from standard input, one a line.\n"
		"The socket is -s, else $WEIR_CONTROL, else " DEFAULT_SOCKET ".\n\n%.*s",
		(int)b.n, b.p);
}

static int dial(struct session *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strncmp(s->path, "unix:", 5) == 0)
		s->path += 5;
	if (strlen(s->path) >= sizeof(a.sun_path)) {
		fprintf(stderr, "weirctl: the path of the socket is too long: %s\n", s->path);
		return EXIT_UNREACHABLE;
	}
	memcpy(a.sun_path, s->path, strlen(s->path) + 1);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&a, sizeof(a))) {
		fprintf(stderr, "weirctl: no weird at %s: %s%s\n", s->path, strerror(errno),
			errno == ENOENT || errno == ECONNREFUSED ? " (is it running? -s names another socket)" : "");
		return errno == EACCES ? EXIT_NOT_ALLOWED : EXIT_UNREACHABLE;
	}
	return 0;
}

static int exit_of(int severity, struct slice text)
{
	if (severity != CTL_FAILED)
		return EXIT_OK;
	if (slice_starts(text, slice_str(CTL_SAYS_USAGE)))
		return EXIT_USAGE;
	if (slice_starts(text, slice_str(CTL_SAYS_NOT_ALLOWED)))
		return EXIT_NOT_ALLOWED;
	if (slice_starts(text, slice_str(CTL_SAYS_CONFIG)))
		return EXIT_CONFIG;
	return EXIT_FAIL;
}

static void print_reply(int severity, struct slice text, struct slice body)
{
	if (severity != CTL_DONE || body.n == 0)
		fprintf(severity == CTL_DONE ? stdout : stderr, "%.*s\n", SLICE_ARG(text));
	fwrite(body.p, 1, body.n, stdout);
	if (body.n && body.p[body.n - 1] != '\n')
		putchar('\n');
	fflush(stdout);
}

static int read_reply(struct session *s)
{
	uint64_t deadline = s->wait_ns ? clock_mono_ns() + s->wait_ns : 0;

	for (;;) {
		struct slice text, body;
		int severity, timeout = -1;
		long used = ctl_parse_reply(buf_slice(&s->in), &severity, &text, &body);
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		char piece[65536];
		ssize_t n;

		if (used > 0) {
			int rc = exit_of(severity, text);

			print_reply(severity, text, body);
			memmove(s->in.p, s->in.p + used, s->in.n - (size_t)used);
			s->in.n -= (size_t)used;
			return rc;
		}
		if (used < 0) {
			fprintf(stderr, "weirctl: the answer was not understood\n");
			return EXIT_FAIL;
		}
		if (deadline) {
			uint64_t now = clock_mono_ns();

			timeout = now < deadline ? (int)((deadline - now) / CLOCK_MS) + 1 : 0;
		}
		if (poll(&p, 1, timeout) == 0) {
			fprintf(stderr, "weirctl: no answer in time; weird goes on with it\n");
			return EXIT_TEMPFAIL;
		}
		n = read(s->fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fprintf(stderr, "weirctl: weird closed the connection\n");
			return EXIT_UNREACHABLE;
		}
		buf_add(&s->in, piece, (size_t)n);
	}
}

static int run_one(struct session *s, struct slice command)
{
	AUTO(buf) struct buf out;

	buf_init(&out, 0);
	buf_add(&out, command.p, command.n);
	if (s->json)
		buf_adds(&out, " json");
	buf_addc(&out, '\n');
	if (fdio_write_all(s->fd, out.p, out.n) < 0) {
		fprintf(stderr, "weirctl: weird closed the connection\n");
		return EXIT_UNREACHABLE;
	}
	return read_reply(s);
}

/* Each command of the line has one reply. The first code that is not 0, but a lost weird ends it. */
static int run_line(struct session *s, const char *line)
{
	struct slice rest = slice_str(line);
	int rc = EXIT_OK, one;

	while (rest.n) {
		struct slice command = slice_trim(slice_cut(&rest, ';'));

		if (!command.n)
			continue;
		one = run_one(s, command);
		if (one == EXIT_UNREACHABLE || one == EXIT_TEMPFAIL)
			return one;
		if (!rc)
			rc = one;
	}
	return rc;
}

static int prompt(struct session *s)
{
	int is_person = isatty(0), last = EXIT_OK, first = EXIT_OK;
	char line[CTL_LINE_MAX];

	for (;;) {
		if (is_person) {
			fputs(last == EXIT_OK ? "weir> " : "weir [failed]> ", stdout);
			fflush(stdout);
		}
		if (!fgets(line, sizeof(line), stdin))
			break;
		line[strcspn(line, "\r\n")] = 0;
		if (!line[strspn(line, " \t")])
			continue;
		if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0)
			break;
		last = run_line(s, line);
		if (last && (!first || last == EXIT_UNREACHABLE))
			first = last;
		if (last == EXIT_UNREACHABLE)
			break;
	}
	if (is_person)
		putchar('\n');
	return is_person && last != EXIT_UNREACHABLE ? EXIT_OK : first;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"socket", 1, NULL, 's'}, {"json", 0, NULL, 'j'},	  {"wait", 1, NULL, 'w'},
					      {"help", 0, NULL, 'h'},	{"version", 0, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *env = getenv("WEIR_CONTROL");
	struct session s = {.path = env && *env ? env : DEFAULT_SOCKET};
	AUTO(buf) struct buf line;
	uint64_t seconds;
	int ch, rc;

	while ((ch = getopt_long(argc, argv, "+s:jhV", longs, NULL)) != -1) {
		switch (ch) {
		case 's':
			s.path = optarg;
			break;
		case 'j':
			s.json = 1;
			break;
		case 'w':
			if (num_u64(slice_str(optarg), &seconds) || seconds == 0 || seconds > 86400) {
				fprintf(stderr, "weirctl: --wait needs seconds from 1 to 86400\n");
				return EXIT_USAGE;
			}
			s.wait_ns = seconds * CLOCK_S;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		case 'V':
			puts("weirctl " PACKAGE_VERSION);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	buf_init(&s.in, 0);
	buf_init(&line, 0);
	rc = dial(&s);
	if (rc)
		return rc;
	for (int i = optind; i < argc; i++) {
		/* options behind the command are common habit */
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0) {
			s.json = 1;
			continue;
		}
		buf_addf(&line, "%s%s", line.n ? " " : "", argv[i]);
	}
	rc = line.n ? run_line(&s, buf_str(&line)) : prompt(&s);
	buf_done(&s.in);
	close(s.fd);
	return rc;
}
