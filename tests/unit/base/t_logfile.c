#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/logfile.h"

static char dir[] = "/tmp/t_logfile.XXXXXX", path[64], got[65536];

static void begin(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	signal(SIGXFSZ, SIG_IGN);
}

static void end(void)
{
	unlink(path);
	rmdir(dir);
}

TestSuite(logfile, .init = begin, .fini = end);

static const char *content(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	close(fd);
	got[n > 0 ? n : 0] = '\0';
	return got;
}

static void fill_up_at(rlim_t n)
{
	struct rlimit l = {n, RLIM_INFINITY};

	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* 7.44: what a full disk cut is taken back, and the next good line stands by itself. */
Test(logfile, never_keeps_half_a_line)
{
	static const char lines[] = "one\ntwo two two\nthree\n";

	for (rlim_t room = 1; room < sizeof(lines) - 1; room++) {
		struct logfile f = LOGFILE_NONE;
		size_t lost, kept = 0;

		cr_assert_eq(logfile_open(&f, path), 0);
		fill_up_at(room);
		lost = logfile_write(&f, lines, sizeof(lines) - 1, 0);
		cr_expect_eq(f.why, EFBIG);
		for (size_t i = 0; i < room; i++)
			if (lines[i] == '\n')
				kept = i + 1;
		cr_expect_eq(strlen(content()), kept, "room for %u", (unsigned)room);
		cr_expect_eq(lost, kept == 0 ? 3 : kept == 4 ? 2 : 1);
		fill_up_at(RLIM_INFINITY);
		cr_expect_eq(logfile_write(&f, "good\n", 5, 0), 0);
		cr_expect_str_eq(content() + kept, "good\n");
		logfile_close(&f);
		unlink(path);
	}
}

/* Somebody has appended behind the half line: it cannot be taken back, and ends before ours. */
Test(logfile, loses_no_line_of_others)
{
	struct logfile f = LOGFILE_NONE;

	cr_assert_eq(logfile_open(&f, path), 0);
	f.is_torn = 1;
	cr_expect_eq(logfile_write(&f, "good\n", 5, 0), 0);
	cr_expect_str_eq(content(), "\ngood\n");
	cr_expect_not(f.is_torn);
	logfile_close(&f);
}

/* 7.43 */
Test(logfile, waits_for_no_reader, .timeout = 5)
{
	struct logfile f = LOGFILE_NONE;
	size_t lost = 0;
	char line[100];
	int fd;

	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(logfile_open(&f, path), 0);
	cr_expect(f.is_unread && !f.is_file);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 3000; i++)
		lost += logfile_write(&f, line, sizeof(line), 0);
	cr_expect(lost > 1000 && lost < 3000);
	cr_expect_eq(f.why, EAGAIN);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	for (ssize_t n; (n = read(fd, got, sizeof(got))) > 0;)
		for (ssize_t i = 99; i < n; i += 100)
			cr_assert_eq(got[i], '\n', "whole lines");
	close(fd);
	logfile_close(&f);
}

Test(logfile, writes_to_a_socket_and_leaves_its_flags_alone, .timeout = 5)
{
	struct logfile f = LOGFILE_NONE;
	int sv[2], kept = dup(2);
	char name[32];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	snprintf(name, sizeof(name), "/dev/fd/%d", sv[0]);
	cr_assert_eq(logfile_open(&f, name), 0, "which open(2) refuses with ENXIO");
	cr_expect_eq(logfile_write(&f, "a line\n", 7, 0), 0);
	cr_expect_eq(read(sv[1], got, sizeof(got)), 7);
	cr_expect_not(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	for (int i = 0; i < 100000 && !logfile_write(&f, "a line\n", 7, 0); i++)
		;
	cr_expect_eq(f.why, EAGAIN, "a reader that has stopped");
	logfile_close(&f);
	dup2(kept, 2);
}

Test(logfile, keeps_what_it_had_when_the_new_one_cannot_be_opened)
{
	struct logfile f = LOGFILE_NONE;
	int fd;

	cr_assert_eq(logfile_open(&f, path), 0);
	fd = f.fd;
	cr_expect_eq(logfile_open(&f, "/nonexistent/log"), -ENOENT);
	cr_expect_eq(logfile_open(&f, "/"), -EISDIR);
	cr_expect_eq(f.fd, fd);
	cr_expect_eq(logfile_write(&f, "x\n", 2, 0), 0);
	cr_assert_eq(logfile_open(&f, path), 0);
	cr_expect_eq(f.fd, fd, "and its number, when it can");
	logfile_close(&f);
}
