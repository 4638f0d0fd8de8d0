/* validate: testing and describing without running. Blocks: no loop is running yet.
 * What must ask a database is asked through `weir-worker -t` on the snapshot that was read. */
#include "config.h"
#include "supervisor/validate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "lib/base/clock.h"
#include "lib/conf/errors_fmt.h"
#include "lib/conf/snapshot.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/heritage.h"
#include "lib/json/jr.h"
#include "lib/shm/metrics.h"
#include "supervisor/limits.h"
#include "supervisor/listen.h"
#include "supervisor/logs.h"
#include "supervisor/spawn.h"
#include "supervisor/table.h"
#include "supervisor/weird.h"

#define RUN_MS 10000u

static void print(const struct buf *b, FILE *to)
{
	if (b->n)
		fwrite(b->p, 1, b->n, to);
}

int validate_load(struct snapshot *s, const char *conf_path, struct errs *errs)
{
	const struct opts_log *log = &s->options.log;
	struct err e;

	if (snapshot_load(s, conf_path, errs))
		return (int)errs->n_all;
	if (logs_check(log->file, &e))
		(void)errs_add(errs, E_config, conf_path, 0, 0, "log.file: %s", e.text);
	if (log->access && logs_check(log->access, &e))
		(void)errs_add(errs, E_config, conf_path, 0, 0, "log.access: %s", e.text);
	return (int)errs->n_all;
}

static int load(struct snapshot *s, const char *path, struct buf *ret_warnings)
{
	AUTO(buf) struct buf text;
	struct errs errs;
	int n;

	memset(s, 0, sizeof(*s));
	errs_init(&errs);
	buf_init(&text, 0);
	n = validate_load(s, path, &errs);
	if (n) {
		errs_to_text(&errs, &text);
		print(&text, stderr);
		fprintf(stderr, "%s: %zu error%s\n", path, errs.n_all, errs.n_all == 1 ? "" : "s");
	}
	if (ret_warnings)
		errs_warnings_to_text(&errs, ret_warnings);
	errs_done(&errs);
	return n ? EXIT_CONFIG : 0;
}

static int check_addresses(const struct options *o)
{
	struct err e;
	int bad = 0;

	for (unsigned i = 0; i < o->listen.n; i++)
		if (listen_check(o->listen.v[i], &e) || listen_check_place(o->listen.v[i], &e))
			bad += fprintf(stderr, "listen: %s\n", e.text) > 0;
	if (listen_check(o->control, &e) || listen_check_place(o->control, &e))
		bad += fprintf(stderr, "control: %s\n", e.text) > 0;
	if (o->status[0] && (listen_check(o->status, &e) || listen_check_place(o->status, &e)))
		bad += fprintf(stderr, "status: %s\n", e.text) > 0;
	if (o->control_group[0] && strcmp(o->control_group, "weir-adm") && listen_check_owner(NULL, o->control_group, &e))
		bad += fprintf(stderr, "control_group: there is no group '%s'\n", o->control_group) > 0;
	if (limits_check_files(o, &e))
		bad += fprintf(stderr, "%s\n", e.text) > 0;
	if (listen_check_owner(o->socket_owner, o->socket_group, &e))
		bad += fprintf(stderr, "%s\n", e.text) > 0;
	return bad;
}

/* The folder may be made at the start, as systemd's RuntimeDirectory is: a warning. */
static void note_folders(const struct options *o, struct buf *out)
{
	const char *all[OPTIONS_MAX_LISTEN + 2];
	unsigned n = 0;
	char folder[PATH_MAX];

	for (unsigned i = 0; i < o->listen.n; i++)
		all[n++] = o->listen.v[i];
	all[n++] = o->control;
	all[n++] = o->status;
	for (unsigned i = 0; i < n; i++) {
		if (!listen_missing_folder(all[i], folder, sizeof(folder)))
			continue;
		buf_addf(out, "%s: there is no folder %s yet, and weird does not make it\n", all[i], folder);
	}
}

static size_t memory_of(const struct snapshot *s)
{
	struct region_plan plan;

	generation_plan(s, &plan);
	return region_size(&plan);
}

static void note_limits(const struct snapshot *s, struct buf *out)
{
	AUTO(buf) struct buf text;
	struct slice rest;

	buf_init(&text, 0);
	limits_warn(&s->options, memory_of(s), &text);
	for (rest = buf_slice(&text); rest.n;) {
		struct slice line = slice_cut(&rest, '\n');

		buf_addf(out, "warning: %.*s\n", SLICE_ARG(line));
	}
}

/* It is all taken at the start, so that it cannot be missing later. */
static void note_memory(const struct snapshot *s, struct buf *out)
{
	double size = (double)memory_of(s), has = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

	if (has > 0 && size > has)
		buf_adds(out, "warning: ");
	buf_addf(out, "shared memory: %.1f MiB", size / (1 << 20));
	if (s->options.cache.memory)
		buf_addf(out, ", of these %.1f MiB for the cache", (double)s->options.cache.memory / (1 << 20));
	if (has > 0 && size > has)
		buf_addf(out, "; this machine has %.1f MiB in all", has / (1 << 20));
	buf_addc(out, '\n');
}

/* The lines that come, with prefix, to our output. 0 at their end, -1 when they have none by the deadline. */
static int copy_lines(int fd, const char *prefix, uint64_t deadline_ns)
{
	AUTO(buf) struct buf line;
	char piece[4096];
	ssize_t n;

	buf_init(&line, 0);
	for (;;) {
		uint64_t now = clock_mono_ns();
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		char *end;

		if (now >= deadline_ns)
			return -1;
		if (poll(&pfd, 1, (int)((deadline_ns - now) / CLOCK_MS) + 1) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n <= 0)
			break;
		buf_add(&line, piece, (size_t)n);
		while ((end = memchr(line.p, '\n', line.n))) {
			size_t whole = (size_t)(end - line.p) + 1;

			printf("%s%.*s", prefix, (int)whole, line.p);
			memmove(line.p, line.p + whole, line.n - whole);
			line.n -= whole;
		}
	}
	if (line.n)
		printf("%s%.*s\n", prefix, (int)line.n, line.p);
	return 0;
}

/* Run a program of ours with the given descriptors; its lines are copied to ours, with prefix, as they come. It has
 * deadlines of its own; one that does not keep them is ended. */
static int run(const char *path, char *const argv[], int snapshot_fd, const char *prefix, uint64_t most_ms)
{
	struct spawn s = {.path = path, .argv = argv, .n_fds = snapshot_fd >= 0 ? 5 : 3};
	int p[2], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), status, late;
	pid_t pid;

	if (null_fd < 0 || pipe2(p, O_CLOEXEC))
		return EXIT_INTERNAL;
	s.fds[0] = null_fd;
	s.fds[1] = s.fds[2] = p[1];
	s.fds[3] = -1;
	s.fds[4] = snapshot_fd;
	pid = spawn_child(&s);
	close(p[1]);
	close(null_fd);
	if (pid <= 0) {
		close(p[0]);
		return EXIT_INTERNAL;
	}
	late = copy_lines(p[0], prefix, clock_mono_ns() + most_ms * CLOCK_MS);
	close(p[0]);
	if (late) {
		kill(pid, SIGKILL);
		fprintf(stderr, "weird: %s did not end within %llu s\n", argv[0], (unsigned long long)most_ms / 1000);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return EXIT_INTERNAL;
	return WEXITSTATUS(status);
}

/* So long may it take to ask them: connecting, describing, the budget. */
static uint64_t patience_ms(const struct snapshot *s)
{
	uint64_t ms = RUN_MS + 20 * (uint64_t)s->endpoints.n;

	for (unsigned i = 0; i < s->options.n_databases; i++)
		ms += 4 * s->options.databases[i].connect_timeout;
	return ms;
}

static int ask_databases(struct snapshot *s)
{
	char path[PATH_MAX];
	char *argv[] = {(char[]){"weir-worker"}, (char[]){"-t"}, NULL};
	unsigned *rows = calloc(s->endpoints.n + 1, sizeof(*rows));
	int fd, code;

	if (!rows)
		return EXIT_INTERNAL;
	if (spawn_find("weir-worker", path, sizeof(path))) {
		fprintf(stderr, "weird: cannot find weir-worker (looked at %s)\n", path);
		free(rows);
		return EXIT_FAIL;
	}
	for (unsigned i = 0; i < s->endpoints.n; i++)
		rows[i] = i;
	snapshot_assign(s, 1, rows);
	free(rows);
	fd = snapshot_memfd(s);
	if (fd < 0) {
		fprintf(stderr, "weird: memfd: %s\n", strerror(-fd));
		return EXIT_FAIL;
	}
	fflush(stdout);
	code = run(path, argv, fd, "", patience_ms(s));
	close(fd);
	if (code == EXIT_TEMPFAIL || code == EXIT_INTERNAL) {
		printf("statements of databases that are not reachable were skipped\n");
		return 0;
	}
	if (code && code != EXIT_CONFIG)
		fprintf(stderr, "weird: weir-worker -t left with status %d\n", code);
	return code ? EXIT_CONFIG : 0;
}

int validate_test(const char *conf_path, int is_offline)
{
	AUTO(buf) struct buf notes;
	AUTO(buf) struct buf warnings;
	struct snapshot s;
	int code;

	setvbuf(stdout, NULL, _IOLBF, 0);
	buf_init(&notes, 0);
	buf_init(&warnings, 0);
	code = load(&s, conf_path, &warnings);
	print(&warnings, stdout);
	if (!code && check_addresses(&s.options))
		code = EXIT_CONFIG;
	if (!code) {
		note_memory(&s, &notes);
		note_folders(&s.options, &notes);
		note_limits(&s, &notes);
		print(&notes, stdout);
		if (!is_offline)
			code = ask_databases(&s);
	}
	if (!code)
		printf("%s: valid, %u endpoint%s%s\n", conf_path, s.endpoints.n,
		       s.endpoints.n == 1 ? "" : "s", is_offline ? " (no database was asked)" : "");
	else
		fprintf(stderr, "%s: not valid\n", conf_path);
	snapshot_done(&s);
	return code;
}

int validate_print(const char *conf_path)
{
	AUTO(buf) struct buf json;
	AUTO(buf) struct buf pretty;
	struct snapshot s;
	int code = load(&s, conf_path, NULL);

	buf_init(&json, 0);
	buf_init(&pretty, 0);
	if (!code) {
		options_to_json(&s.options, &json);
		/* behind what was configured, what follows from it */
		json.n--;
		buf_addf(&json, ",\"shared_memory_bytes\":%zu}", memory_of(&s));
		table_pretty(&pretty, buf_slice(&json));
		print(&pretty, stdout);
	}
	snapshot_done(&s);
	return code;
}

int validate_version(void)
{
	char path[PATH_MAX];
	char *argv[] = {(char[]){"weir-worker"}, (char[]){"-V"}, NULL};

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("weird %s\nlibuv %s\nlibconfuse %s\njansson %s\n", PACKAGE_VERSION, uv_version_string(),
	       options_library_version(), jr_library_version());
	if (spawn_find("weir-worker", path, sizeof(path)) == 0)
		run(path, argv, -1, "", RUN_MS);
	return 0;
}

int validate_describe(const char *what)
{
	static const struct {
		const char *word;
		void (*write)(struct buf *out);
	} parts[] = {
		{"options", options_mdoc},	{"conf", options_example},
		{"commands", dispatch_mdoc},	{"metrics", metrics_mdoc},
		{"directives", endpoints_mdoc}, {"errors", errors_mdoc},
		{"sqlstates", sqlstates_mdoc},
	};
	AUTO(buf) struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcmp(what, parts[i].word) == 0) {
			parts[i].write(&out);
			print(&out, stdout);
			return 0;
		}
	fprintf(stderr, "weird: usage: -x options|conf|commands|metrics|directives|errors|sqlstates, not %s\n", what);
	return EXIT_USAGE;
}
