# Tables of good and bad input, with the exact place and sentence of every error.
if HAVE_CRITERION
CONF_TESTS = tests/unit/conf/t_options tests/unit/conf/t_lex tests/unit/conf/t_session tests/unit/conf/t_directive \
	tests/unit/conf/t_endpoint tests/unit/conf/t_trap tests/unit/conf/t_snapshot tests/unit/conf/t_jwks \
	tests/unit/conf/t_apikeys tests/unit/conf/t_conninfo
check_PROGRAMS += $(CONF_TESTS)
TESTS += $(CONF_TESTS)
CONF_TEST_LIBS = lib/libconf.a lib/libjson.a lib/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS) $(UNIT_LIBS)

tests_unit_conf_t_conninfo_SOURCES = %D%/t_conninfo.c
tests_unit_conf_t_conninfo_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_conninfo_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_trap_SOURCES = %D%/t_trap.c %D%/conf_test.h
tests_unit_conf_t_trap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_trap_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_jwks_SOURCES = %D%/t_jwks.c %D%/conf_test.h
tests_unit_conf_t_jwks_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_jwks_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_apikeys_SOURCES = %D%/t_apikeys.c %D%/conf_test.h
tests_unit_conf_t_apikeys_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_apikeys_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_options_SOURCES = %D%/t_options.c %D%/conf_test.h
tests_unit_conf_t_options_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_options_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_lex_SOURCES = %D%/t_lex.c
tests_unit_conf_t_lex_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_lex_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_session_SOURCES = %D%/t_session.c
tests_unit_conf_t_session_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_session_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_directive_SOURCES = %D%/t_directive.c %D%/conf_test.h
tests_unit_conf_t_directive_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_directive_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_endpoint_SOURCES = %D%/t_endpoint.c %D%/conf_test.h
tests_unit_conf_t_endpoint_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_endpoint_LDADD = $(CONF_TEST_LIBS)
tests_unit_conf_t_snapshot_SOURCES = %D%/t_snapshot.c %D%/conf_test.h
tests_unit_conf_t_snapshot_CFLAGS = $(UNIT_CFLAGS)
tests_unit_conf_t_snapshot_LDADD = $(CONF_TEST_LIBS)
endif

EXTRA_DIST += conf/weir.conf
