FUZZ_TARGETS += tests/fuzz/fuzz_query
tests_fuzz_fuzz_query_SOURCES = %D%/fuzz_query.c $(FUZZ_MAIN)
tests_fuzz_fuzz_query_LDADD = lib/libhttp.a lib/libbase.a
tests_fuzz_fuzz_query_LDFLAGS = $(FUZZ_LINK)
FUZZ_TARGETS += tests/fuzz/fuzz_cache_headers
tests_fuzz_fuzz_cache_headers_SOURCES = %D%/fuzz_cache_headers.c $(FUZZ_MAIN)
tests_fuzz_fuzz_cache_headers_LDADD = lib/libhttp.a lib/libbase.a
tests_fuzz_fuzz_cache_headers_LDFLAGS = $(FUZZ_LINK)
