if HAVE_CRITERION
HTTP_TESTS = tests/unit/http/t_query tests/unit/http/t_media tests/unit/http/t_status
check_PROGRAMS += $(HTTP_TESTS)
TESTS += $(HTTP_TESTS)
HTTP_TEST_LIBS = lib/libhttp.a lib/libbase.a $(UNIT_LIBS)

tests_unit_http_t_query_SOURCES = %D%/t_query.c
tests_unit_http_t_query_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_query_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_media_SOURCES = %D%/t_media.c
tests_unit_http_t_media_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_media_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_status_SOURCES = %D%/t_status.c
tests_unit_http_t_status_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_status_LDADD = $(HTTP_TEST_LIBS)
endif
