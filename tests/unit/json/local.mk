if HAVE_CRITERION
JSON_TESTS = tests/unit/json/t_jw tests/unit/json/t_jr tests/unit/json/t_jv
check_PROGRAMS += $(JSON_TESTS)
TESTS += $(JSON_TESTS)
JSON_TEST_LIBS = lib/libjson.a lib/libbase.a $(JANSSON_LIBS) $(UNIT_LIBS)

tests_unit_json_t_jw_SOURCES = %D%/t_jw.c
tests_unit_json_t_jw_CFLAGS = $(UNIT_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_json_t_jw_LDADD = $(JSON_TEST_LIBS)
tests_unit_json_t_jr_SOURCES = %D%/t_jr.c
tests_unit_json_t_jr_CFLAGS = $(UNIT_CFLAGS)
tests_unit_json_t_jr_LDADD = $(JSON_TEST_LIBS)
tests_unit_json_t_jv_SOURCES = %D%/t_jv.c
tests_unit_json_t_jv_CFLAGS = $(UNIT_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_json_t_jv_LDADD = $(JSON_TEST_LIBS)
endif
