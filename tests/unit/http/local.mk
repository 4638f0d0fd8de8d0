if HAVE_CRITERION
HTTP_TESTS = tests/unit/http/t_query tests/unit/http/t_media tests/unit/http/t_status \
	tests/unit/http/t_http_date tests/unit/http/t_http_etag tests/unit/http/t_http_cc \
	tests/unit/http/t_http_cache_status tests/unit/http/t_http_encode tests/unit/http/t_http_store \
	tests/unit/http/t_http_vary tests/unit/http/t_uri tests/unit/http/t_target
check_PROGRAMS += $(HTTP_TESTS)
TESTS += $(HTTP_TESTS)
HTTP_TEST_LIBS = lib/libhttp.a lib/libbase.a $(UNIT_LIBS)

tests_unit_http_t_query_SOURCES = %D%/t_query.c
tests_unit_http_t_query_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_query_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_target_SOURCES = %D%/t_target.c
tests_unit_http_t_target_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_target_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_uri_SOURCES = %D%/t_uri.c
tests_unit_http_t_uri_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_uri_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_media_SOURCES = %D%/t_media.c
tests_unit_http_t_media_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_media_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_status_SOURCES = %D%/t_status.c
tests_unit_http_t_status_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_status_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_date_SOURCES = %D%/t_http_date.c
tests_unit_http_t_http_date_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_date_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_etag_SOURCES = %D%/t_http_etag.c
tests_unit_http_t_http_etag_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_etag_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_cc_SOURCES = %D%/t_http_cc.c
tests_unit_http_t_http_cc_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_cc_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_cache_status_SOURCES = %D%/t_http_cache_status.c
tests_unit_http_t_http_cache_status_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_cache_status_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_encode_SOURCES = %D%/t_http_encode.c
tests_unit_http_t_http_encode_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_encode_LDADD = $(HTTP_TEST_LIBS) $(ZLIB_LIBS) $(BROTLI_LIBS) $(BROTLIDEC_LIBS)
tests_unit_http_t_http_store_SOURCES = %D%/t_http_store.c
tests_unit_http_t_http_store_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_store_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_t_http_vary_SOURCES = %D%/t_http_vary.c
tests_unit_http_t_http_vary_CFLAGS = $(UNIT_CFLAGS)
tests_unit_http_t_http_vary_LDADD = $(HTTP_TEST_LIBS)
endif
