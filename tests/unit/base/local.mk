# Layer 0. t_check has the small ones too: clock, list, slice.
if HAVE_CRITERION
BASE_TESTS = tests/unit/base/t_buf tests/unit/base/t_arena tests/unit/base/t_hash \
	tests/unit/base/t_num tests/unit/base/t_b64 tests/unit/base/t_utf8 tests/unit/base/t_visible tests/unit/base/t_net tests/unit/base/t_fdio tests/unit/base/t_log tests/unit/base/t_logfile \
	tests/unit/base/t_err tests/unit/base/t_sqlstate tests/unit/base/t_check
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
BASE_TEST_LIBS = lib/libbase.a $(UNIT_LIBS)

tests_unit_base_t_logfile_SOURCES = %D%/t_logfile.c
tests_unit_base_t_logfile_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_logfile_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_b64_SOURCES = %D%/t_b64.c
tests_unit_base_t_b64_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_b64_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_buf_SOURCES = %D%/t_buf.c
tests_unit_base_t_buf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_buf_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_arena_SOURCES = %D%/t_arena.c
tests_unit_base_t_arena_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_arena_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_hash_SOURCES = %D%/t_hash.c
tests_unit_base_t_hash_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_hash_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_num_SOURCES = %D%/t_num.c
tests_unit_base_t_num_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_num_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_net_SOURCES = %D%/t_net.c
tests_unit_base_t_net_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_net_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_visible_SOURCES = %D%/t_visible.c
tests_unit_base_t_visible_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_visible_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_utf8_SOURCES = %D%/t_utf8.c
tests_unit_base_t_utf8_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_utf8_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_fdio_SOURCES = %D%/t_fdio.c
tests_unit_base_t_fdio_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_fdio_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_log_SOURCES = %D%/t_log.c
tests_unit_base_t_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_log_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_err_SOURCES = %D%/t_err.c
tests_unit_base_t_err_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_err_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_sqlstate_SOURCES = %D%/t_sqlstate.c
tests_unit_base_t_sqlstate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_sqlstate_LDADD = $(BASE_TEST_LIBS)
tests_unit_base_t_check_SOURCES = %D%/t_check.c
tests_unit_base_t_check_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_t_check_LDADD = $(BASE_TEST_LIBS)
endif
