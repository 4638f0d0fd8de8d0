FUZZ_TARGETS += tests/fuzz/fuzz_json
tests_fuzz_fuzz_json_SOURCES = %D%/fuzz_json.c $(FUZZ_MAIN)
tests_fuzz_fuzz_json_LDADD = lib/libjson.a lib/libbase.a $(JANSSON_LIBS)
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LINK)
