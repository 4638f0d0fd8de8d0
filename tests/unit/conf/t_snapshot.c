#include "config.h"

#include "tests/unit/conf/conf_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fdio.h"
#include "lib/conf/snapshot.h"

static char dir[200];

static void put(const char *path, const char *text)
{
	char full[400];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0, "%s", full);
	cr_assert_eq(fdio_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void folder(const char *path)
{
	char full[400];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	cr_assert_eq(mkdir(full, 0700), 0);
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s/weir-snapshot-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	cr_assert(mkdtemp(dir));
	folder("e");
	folder("e/sub");
	folder("e/.git");
	put("w.conf", "endpoints = e\n" MAIN_DB);
	put("e/b.sql", "-- @route GET /b\n-- @stream\nSELECT 1");
	put("e/sub/a.sql", "-- @route GET /a/{x}\nSELECT :x");
	put("e/a.sql", "-- @route GET /a\nSELECT 1");
	put("e/README.md", "no endpoint");
	put("e/.hidden.sql", "no endpoint");
	put("e/.git/x.sql", "no endpoint");
}

static void teardown(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_expect_eq(system(command), 0);
}

TestSuite(snapshot, .init = setup, .fini = teardown);

/* Errors with the temporary folder cut off. */
static void refused(const char *conf, const char *want)
{
	struct snapshot s;
	struct errs errs;
	struct buf b, got;
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, conf);
	errs_init(&errs);
	buf_init(&b, 0);
	buf_init(&got, 0);
	cr_expect_gt(snapshot_load(&s, path, &errs), 0);
	snapshot_done(&s);
	errs_to_text(&errs, &b);
	for (const char *p = buf_str(&b); *p;) {
		if (strncmp(p, dir, strlen(dir)) == 0)
			p += strlen(dir);
		else
			buf_addc(&got, *p++);
	}
	same_text(conf, buf_str(&got), want);
	buf_done(&b);
	buf_done(&got);
	errs_done(&errs);
}

static void load(struct snapshot *s)
{
	struct errs errs;
	char path[300];

	snprintf(path, sizeof(path), "%s/w.conf", dir);
	errs_init(&errs);
	cr_expect_eq(snapshot_load(s, path, &errs), 0);
	same_errors("load", &errs, "");
}

Test(snapshot, files_are_found_sorted_and_hidden_ones_ignored)
{
	char path[300], want[300];
	struct snapshot s;
	struct errs errs;
	struct buf notes;

	snprintf(path, sizeof(path), "%s/w.conf", dir);
	errs_init(&errs);
	cr_assert_eq(snapshot_load(&s, path, &errs), 0);
	cr_assert_eq(s.endpoints.n, 3u);
	cr_expect_str_eq(s.endpoints.v[0]->id, "a");
	cr_expect_str_eq(s.endpoints.v[1]->id, "b");
	cr_expect_str_eq(s.endpoints.v[2]->id, "sub.a");
	buf_init(&notes, 0);
	errs_warnings_to_text(&errs, &notes);
	errs_done(&errs);
	snprintf(want, sizeof(want), "warning: %s/e/b.sql:2: @stream is not acted on yet\n", dir);
	cr_expect_str_eq(buf_str(&notes), want);
	buf_done(&notes);
	snapshot_done(&s);
}

Test(snapshot, a_child_reads_what_was_validated)
{
	static const unsigned rows[] = {7, 5, 9};
	struct snapshot s, child;
	struct errs errs;
	int fd;

	load(&s);
	snapshot_assign(&s, 42, rows);
	cr_expect_eq(s.endpoints.v[2]->metric, 9u);
	fd = snapshot_memfd(&s);
	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	cr_expect_eq(write(fd, "x", 1), -1);
	cr_expect_eq(errno, EPERM);
	/* the files may go meanwhile */
	put("e/b.sql", "broken");
	put("w.conf", "broken");
	for (int twice = 0; twice < 2; twice++) {
		errs_init(&errs);
		cr_expect_eq(snapshot_open(&child, fd, &errs), 0);
		same_errors("open", &errs, "");
		cr_expect_eq(child.generation, 42u);
		cr_expect_str_eq(child.conf_path, s.conf_path);
		cr_expect_str_eq(child.options.endpoints, s.options.endpoints);
		cr_assert_eq(child.endpoints.n, 3u);
		for (unsigned i = 0; i < 3; i++) {
			cr_expect_eq(child.endpoints.v[i]->metric, rows[i]);
			cr_expect_str_eq(child.endpoints.v[i]->variants[0].sql, s.endpoints.v[i]->variants[0].sql);
		}
		snapshot_done(&child);
	}
	close(fd);
	snapshot_done(&s);
}

Test(snapshot, a_damaged_one_is_refused_at_every_length)
{
	struct snapshot s, child;
	struct errs errs;

	load(&s);
	for (size_t n = 0; n < s.bytes.n; n++) {
		int fd = memfd_create("t", MFD_CLOEXEC);

		cr_assert_eq(fdio_write_all(fd, s.bytes.p, n), 0);
		errs_init(&errs);
		cr_expect_lt(snapshot_open(&child, fd, &errs), 0, "%zu", n);
		cr_expect_gt(errs.n, 0u);
		snapshot_done(&child);
		errs_done(&errs);
		close(fd);
	}
	snapshot_done(&s);
}

Test(snapshot, what_cannot_be_read_is_named)
{
	refused("none.conf", "/none.conf: cannot read the configuration: No such file or directory\n");
	put("w.conf", "endpoints = nowhere\n" MAIN_DB);
	refused("w.conf", "/nowhere: cannot read the folder: No such file or directory\n");
}

Test(snapshot, faults_of_all_files_are_reported_with_their_paths)
{
	put("w.conf", "endpoints = e\nworkers { max = x }\n" MAIN_DB);
	put("e/b.sql", "-- @rout GET /b\nSELECT 1");
	put("e/sub/a.sql", "-- @route GET /a\nSELECT $1");
	refused("w.conf",
		"/w.conf:2:17: bad value 'x' of max; expected a whole number from 1 to 63\n"
		"/e/b.sql:1:5: unknown directive @rout (did you mean 'route'?)\n"
		"/e/b.sql:1: no @route; expected a line such as -- @route GET /api/models\n"
		"/e/sub/a.sql:2:8: write :name instead of $1; parameters are numbered by weir\n");
}

Test(snapshot, sql_needs_a_database)
{
	put("w.conf", "endpoints = e\n");
	put("e/b.sql", "-- @route GET /b\n-- @returns none");
	refused("w.conf", "/e/a.sql: it has SQL, but /w.conf has no database block\n"
			  "/e/sub/a.sql: it has SQL, but /w.conf has no database block\n");
}

Test(snapshot, a_file_that_is_none_does_not_hold_the_start)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/e/fifo.sql", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	refused("w.conf", "/e/fifo.sql: not a regular file\n");
}

Test(snapshot, a_loop_of_links_ends)
{
	struct snapshot s;
	struct errs errs;
	char path[300], conf[300];

	snprintf(path, sizeof(path), "%s/e/loop", dir);
	cr_assert_eq(symlink(".", path), 0);
	snprintf(conf, sizeof(conf), "%s/w.conf", dir);
	errs_init(&errs);
	cr_expect_gt(snapshot_load(&s, conf, &errs), 0);
	snapshot_done(&s);
	errs_done(&errs);
}

#define KEYS "ci 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 u -\n"

Test(snapshot, the_files_of_keys_are_in_it)
{
	struct snapshot s, child;
	struct errs errs;
	int fd;

	put("w.conf", "endpoints = e\nauth { hs256_file = secret api_keys = keys }\n" MAIN_DB);
	put("secret", "0123456789abcdef0123456789abcdef\n");
	put("keys", KEYS);
	load(&s);
	cr_expect_eq(s.auth.jwks.n, 1u);
	cr_expect_eq(s.auth.keys.n, 1u);
	snapshot_assign(&s, 7, (const unsigned[]){2, 1, 0});
	fd = snapshot_memfd(&s);
	cr_assert_geq(fd, 0);
	put("secret", "other");
	put("keys", "broken");
	errs_init(&errs);
	cr_expect_eq(snapshot_open(&child, fd, &errs), 0);
	same_errors("open", &errs, "");
	cr_expect(slice_eq(buf_slice(&child.auth.text[AUTH_FILE_KEYS]), SLICE(KEYS)));
	cr_expect_eq(child.auth.jwks.n, 1u);
	cr_expect_eq(child.auth.keys.n, 1u);
	cr_expect_eq(child.endpoints.v[0]->metric, 2u);
	snapshot_done(&child);
	snapshot_done(&s);
	close(fd);
	refused("w.conf", "/secret: the secret has 5 bytes; expected 32 to 4096\n"
			  "/keys:1: expected ID SHA-256 USER ROLES [NAME=VALUE ...]\n");
	put("w.conf", "endpoints = e\nauth { jwks = nothing.json }\n" MAIN_DB);
	refused("w.conf", "/nothing.json: auth.jwks: cannot read the file: No such file or directory\n");
	put("w.conf", "endpoints = e\nauth {\nuser_param = HTTP_X_USER\napi_key_header = a_b }\n" MAIN_DB);
	refused("w.conf", "/w.conf:3:14: bad value 'HTTP_X_USER' of user_param; a client can set it, expected a parameter that only the "
			  "web server sets\n"
			  "/w.conf:4:18: bad value 'a_b' of api_key_header; expected a header's name such as X-API-Key\n");
}
