#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fdio.h"
#include "lib/base/log.h"

static int pipe_fd[2];
static char line[8192];

static void begin(void)
{
	cr_assert(pipe(pipe_fd) == 0);
	fdio_nonblock(pipe_fd[0], 1);
	fdio_nonblock(pipe_fd[1], 1);
	log_init("t_log", pipe_fd[1], LOG_INFO);
}

static void end(void)
{
	log_set_fd(2);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* What was logged since the last time, "" for nothing. */
static const char *logged(void)
{
	ssize_t n = read(pipe_fd[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = 0;
	return line;
}

TestSuite(log, .init = begin, .fini = end);

Test(log, writes_time_name_pid_level_and_text)
{
	char want[64], when[32];

	log_warn("%s is %d", "answer", 42);
	snprintf(want, sizeof(want), "Z t_log[%d] warning: answer is 42\n", (int)getpid());
	logged();
	cr_expect_str_eq(line + 23, want);
	cr_expect(sscanf(line, "%31s", when) == 1 && strlen(when) == 24 && when[10] == 'T');
}

Test(log, leaves_out_what_is_below_the_level)
{
	log_debug("no");
	cr_expect_str_empty(logged());
	log_set_level(LOG_DEBUG);
	cr_expect(log_level() == LOG_DEBUG);
	log_debug("yes");
	cr_expect(strstr(logged(), "debug: yes\n"));
	log_set_level(LOG_ERROR);
	log_warn("no");
	cr_expect_str_empty(logged());
	log_error("yes");
	cr_expect(strstr(logged(), "error: yes\n"));
}

Test(log, keeps_one_event_on_one_line)
{
	log_info("a\nb\r\tc\x1b[31m\x7f \xc3\xa9");
	cr_expect(strstr(logged(), "info: a\\x0ab\\x0d\\x09c\\x1b[31m\\x7f \xc3\xa9\n"));
	cr_expect(strchr(line, '\n') == line + strlen(line) - 1);
}

Test(log, cuts_a_line_at_4096_bytes)
{
	static char text[10000];

	memset(text, 'x', sizeof(text) - 1);
	log_info("%s", text);
	cr_expect(strlen(logged()) == 4096 && line[4095] == '\n');
	memset(text, '\1', sizeof(text) - 1);
	log_info("%s", text);
	cr_expect(strlen(logged()) <= 4096 && line[strlen(line) - 1] == '\n');
	cr_expect(strcmp(line + strlen(line) - 5, "\\x01\n") == 0, "no half escape");
}

Test(log, keeps_errno_and_prints_it)
{
	errno = ENOENT;
	log_info("it: %m");
	cr_expect(errno == ENOENT);
	cr_expect(strstr(logged(), "it: No such file or directory\n"));
	log_set_fd(-1);
	log_info("nobody hears");
	cr_expect(errno == ENOENT);
}

Test(log, drops_and_counts_when_the_descriptor_is_full)
{
	uint64_t before = log_dropped();

	for (int i = 0; i < 100000 && log_dropped() == before; i++)
		log_info("%500d", i);
	cr_expect(log_dropped() > before);
}

Test(log, names_its_levels)
{
	enum log_level l;

	for (int i = 0; i < LOG_LEVELS; i++)
		cr_expect(log_parse_level(slice_str(log_level_name((enum log_level)i)), &l) == 0 && (int)l == i);
	cr_expect(log_parse_level(SLICE("warning"), &l) == 0 && l == LOG_WARN);
	cr_expect(log_parse_level(SLICE("warn"), &l) == -1);
	cr_expect(log_parse_level(SLICE(""), &l) == -1);
	cr_expect(log_parse_level(SLICE("INFO"), &l) == -1 && l == LOG_WARN);
}
