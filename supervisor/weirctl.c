/* weirctl: the control socket from a shell. Sends one command, prints the body; the first line goes to
 * stderr when it is a warning or a failure. Without a command it reads them from standard input. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/frame.h"
#include "lib/ctl/heritage.h"

#define DEFAULT_SOCKET "/run/weir/control.sock"
#define WIDTH 120u	/* of tables, where nothing says how wide */
#define REPLY_MAX (256u << 20)
#define WAIT_MAX_S (30u * 24 * 3600)

struct session {
	const char *path;
	int fd;
	int wants_json;
	uint64_t deadline_ns;	/* 0: none */
	struct buf in;
	int has_stopped;	/* a stop was sent: end of file is its answer too */
	int reload_failed;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: weirctl [-s SOCKET] [-j] [--wait SECONDS] [COMMAND ...]\n"
		"  -s, --socket SOCKET   control socket; default $WEIR_CONTROL, else " DEFAULT_SOCKET "\n"
		"  -j, --json            one JSON document instead of a table\n"
		"  -w, --wait SECONDS    give up after so long with status 75\n"
		"  -V, --version  -h, --help\n"
		"Without a command they are read from standard input. `weirctl help` lists them.\n");
}

/* Milliseconds for poll; -1 for ever. */
static int left_ms(const struct session *s)
{
	uint64_t now = clock_mono_ns();

	if (!s->deadline_ns)
		return -1;
	if (now >= s->deadline_ns)
		return 0;
	return (int)((s->deadline_ns - now) / CLOCK_MS) + 1;
}

/* Who may connect, and what to do about it. */
static void explain_refusal(const char *path)
{
	const struct passwd *me = getpwuid(geteuid());
	const struct group *gr;
	struct stat st;
	int is_member = 0;

	if (stat(path, &st)) {
		fprintf(stderr, "weirctl: %s: a folder above it may not be entered by this user\n", path);
		return;
	}
	gr = getgrgid(st.st_gid);
	if (!gr || !(st.st_mode & S_IWGRP)) {
		fprintf(stderr, "weirctl: %s is for user %u alone (mode %04o)\n", path, (unsigned)st.st_uid,
			(unsigned)st.st_mode & 07777);
		return;
	}
	for (char **m = gr->gr_mem; me && *m; m++)
		is_member |= strcmp(*m, me->pw_name) == 0;
	if (is_member)
		fprintf(stderr, "weirctl: %s is for the group %s: %s is a member, but not in this login; log in again, or newgrp %s\n",
			path, gr->gr_name, me->pw_name, gr->gr_name);
	else
		fprintf(stderr, "weirctl: %s is for the group %s, of which %s is no member (as root: usermod -aG %s %s)\n", path,
			gr->gr_name, me ? me->pw_name : "this user", gr->gr_name, me ? me->pw_name : "USER");
}

static int session_open(struct session *s)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *path = s->path;

	if (strncmp(path, "unix:", 5) == 0)
		path += 5;
	if (strlen(path) >= sizeof(sa.sun_path)) {
		fprintf(stderr, "weirctl: %s: path too long\n", path);
		return EXIT_USAGE;
	}
	strcpy(sa.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&sa, sizeof(sa))) {
		if (errno == EACCES || errno == EPERM) {
			explain_refusal(path);
			return EXIT_NOT_ALLOWED;
		}
		fprintf(stderr, "weirctl: no weird answers at %s: %s\n", path, strerror(errno));
		return EXIT_UNREACHABLE;
	}
	buf_init(&s->in, REPLY_MAX);
	return 0;
}

static int exit_code_of(int severity, struct slice text)
{
	if (severity != CTL_FAILED)
		return 0;
	if (slice_starts(text, SLICE(CTL_SAYS_USAGE)))
		return EXIT_USAGE;
	if (slice_starts(text, SLICE(CTL_SAYS_NOT_ALLOWED)))
		return EXIT_NOT_ALLOWED;
	if (slice_starts(text, SLICE(CTL_SAYS_CONFIG)))
		return EXIT_CONFIG;
	return EXIT_FAIL;
}

/* The exit code of one reply; prints it. */
static int show(struct session *s, int severity, struct slice text, struct slice body)
{
	fwrite(body.p, 1, body.n, stdout);
	fflush(stdout);
	if (severity != CTL_DONE)
		fprintf(stderr, "weirctl: %s%.*s\n", severity == CTL_WARNING ? "warning: " : "",
			SLICE_ARG(text));
	else if (!body.n)
		printf("%.*s\n", SLICE_ARG(text));
	(void)s;
	return exit_code_of(severity, text);
}

/* Wait for one reply and print it. */
static int receive(struct session *s)
{
	for (;;) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		struct slice text, body;
		int severity, code;
		long used = ctl_parse_reply(buf_slice(&s->in), &severity, &text, &body);
		ssize_t r;

		if (used < 0) {
			fprintf(stderr, "weirctl: %s: that is no reply of weird\n", s->path);
			return EXIT_UNREACHABLE;
		}
		if (used > 0) {
			code = show(s, severity, text, body);
			memmove(s->in.p, s->in.p + used, s->in.n - (size_t)used);
			s->in.n -= (size_t)used;
			return code;
		}
		r = poll(&p, 1, left_ms(s));
		if (r == 0) {
			fprintf(stderr, "weirctl: no answer within the time of --wait\n");
			return EXIT_TEMPFAIL;
		}
		if (buf_reserve(&s->in, 65536)) {
			fprintf(stderr, "weirctl: the reply is too large\n");
			return EXIT_FAIL;
		}
		r = read(s->fd, s->in.p + s->in.n, 65536);
		if (r > 0) {
			s->in.n += (size_t)r;
		} else if (r == 0 || errno != EINTR) {
			if (s->has_stopped)
				return 0;
			fprintf(stderr, "weirctl: weird closed the connection\n");
			return EXIT_UNREACHABLE;
		}
	}
}

static int send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Of what the answer is printed on. A file or a pipe is read by people as well; programs ask for JSON. */
static unsigned terminal_width(void)
{
	struct winsize size;

	const char *columns = getenv("COLUMNS");
	uint64_t n;

	if (isatty(1) && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col <= CTL_WIDTH_MAX ? size.ws_col : 0;
	return columns && num_u64(slice_str(columns), &n) == 0 && n <= CTL_WIDTH_MAX ? (unsigned)n : WIDTH;
}

/* One command and its answer. */
static int ask(struct session *s, const struct ctl_command *cmd)
{
	AUTO(buf) struct buf one;
	int code;

	buf_init(&one, 0);
	for (unsigned i = 0; i < cmd->n_words; i++) {
		if (i)
			buf_addc(&one, ' ');
		ctl_quote(&one, cmd->words[i]);
	}
	if (s->wants_json || cmd->wants_json)
		buf_adds(&one, " json");
	else if (cmd->width || terminal_width())
		buf_addf(&one, " width=%u", cmd->width ? cmd->width : terminal_width());
	buf_addc(&one, '\n');
	if (one.n > CTL_LINE_MAX) {
		fprintf(stderr, "weirctl: the command is too long\n");
		return EXIT_USAGE;
	}
	s->has_stopped |= slice_eq(cmd->words[0], SLICE("stop"));
	if (send_all(s->fd, one.p, one.n)) {
		fprintf(stderr, "weirctl: weird closed the connection\n");
		return EXIT_UNREACHABLE;
	}
	code = receive(s);
	if (slice_eq(cmd->words[0], SLICE("reload")))
		s->reload_failed = code != 0;
	return code;
}

/* Every command of one line; the first code that is not 0. */
static int carry_out(struct session *s, struct slice line)
{
	struct ctl_command cmd;
	int code = 0, r;

	while ((r = ctl_parse(&line, &cmd)) != 0) {
		if (r < 0) {
			fprintf(stderr, "weirctl: too many words, an open quote, or bytes that are no text\n");
			return code ? code : EXIT_USAGE;
		}
		r = ask(s, &cmd);
		if (r && !code)
			code = r;
		if (r == EXIT_UNREACHABLE || r == EXIT_TEMPFAIL)
			break;
	}
	return code;
}

static int converse(struct session *s)
{
	int is_tty = isatty(0) && isatty(1), code = 0, r;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	for (;;) {
		if (is_tty) {
			printf("weir%s> ", s->reload_failed ? " [reload failed]" : "");
			fflush(stdout);
		}
		n = getline(&line, &cap, stdin);
		if (n <= 0)
			break;
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (is_tty && ((n == 4 && memcmp(line, "quit", 4) == 0) ||
			       (n == 4 && memcmp(line, "exit", 4) == 0)))
			break;
		r = carry_out(s, slice_of(line, (size_t)n));
		if (r && !is_tty && !code)
			code = r;
		if (r == EXIT_UNREACHABLE || r == EXIT_TEMPFAIL || s->has_stopped) {
			code = code ? code : r;
			break;
		}
	}
	if (is_tty && n <= 0)
		putchar('\n');
	free(line);
	return code;
}

/* The command of the shell: each argument is one, whatever it holds. -j and --json are ours, up to a "--". */
static int carry_out_argv(struct session *s, char **argv, int n)
{
	struct ctl_command cmd = {.n_words = 0};
	int is_literal = 0;
	enum cmd_id id;

	for (int i = 0; i < n; i++) {
		if (!is_literal && (strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0)) {
			s->wants_json = 1;
		} else if (!is_literal && strcmp(argv[i], "--") == 0) {
			is_literal = 1;
		} else if (cmd.n_words == CTL_WORDS_MAX) {
			fprintf(stderr, "weirctl: too many words\n");
			return EXIT_USAGE;
		} else {
			cmd.words[cmd.n_words++] = slice_str(argv[i]);
		}
	}
	if (!cmd.n_words)
		return converse(s);
	/* `weirctl workers json`, as on the socket: where it can be no argument */
	id = dispatch_find(cmd.words[0]);
	if (!is_literal && id != CMD_COUNT && cmd.n_words - 1 > cmd_table[id].max &&
	    slice_eq(cmd.words[cmd.n_words - 1], SLICE("json"))) {
		s->wants_json = 1;
		cmd.n_words--;
	}
	return ask(s, &cmd);
}

/* Nobody needs to run for that. */
static int help(const char *word)
{
	enum cmd_id one = word ? dispatch_find(slice_str(word)) : CMD_COUNT;
	AUTO(buf) struct buf out;

	buf_init(&out, 0);
	if (word && one == CMD_COUNT) {
		const char *near = dispatch_nearest(slice_str(word));

		fprintf(stderr, "weirctl: unknown command '%.64s', %s%s%s\n", word, near ? "did you mean '" : "try 'help",
			near ? near : "", near ? "'?" : "'");
		return EXIT_USAGE;
	}
	dispatch_help(one, &out);
	fwrite(out.p, 1, out.n, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
		{"wait", required_argument, NULL, 'w'},	  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	struct session s = {.fd = -1, .path = getenv("WEIR_CONTROL")};
	uint64_t seconds;
	int c, code;

	if (!s.path || !*s.path)
		s.path = DEFAULT_SOCKET;
	/* '+': options end at the command; what follows it is the command's, but for -j and --json. */
	while ((c = getopt_long(argc, argv, "+s:jw:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			s.path = optarg;
			break;
		case 'j':
			s.wants_json = 1;
			break;
		case 'w':
			if (num_u64(slice_str(optarg), &seconds) || seconds > WAIT_MAX_S) {
				fprintf(stderr, "weirctl: --wait %s: expected seconds\n", optarg);
				return EXIT_USAGE;
			}
			s.deadline_ns = clock_mono_ns() + seconds * CLOCK_S;
			break;
		case 'V':
			printf("weirctl %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (!s.wants_json && optind < argc && argc - optind <= 2 && strcmp(argv[optind], "help") == 0 &&
	    (argc - optind == 1 || argv[optind + 1][0] != '-'))
		return help(argv[optind + 1]);
	code = session_open(&s);
	if (code)
		return code;
	code = carry_out_argv(&s, argv + optind, argc - optind);
	buf_done(&s.in);
	close(s.fd);
	return code;
}
