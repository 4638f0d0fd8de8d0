FUZZ_TARGETS += tests/fuzz/fuzz_conf tests/fuzz/fuzz_endpoint
tests_fuzz_fuzz_conf_SOURCES = %D%/fuzz_conf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_LDADD = lib/libconf.a lib/libjson.a lib/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_endpoint_SOURCES = %D%/fuzz_endpoint.c $(FUZZ_MAIN)
tests_fuzz_fuzz_endpoint_LDADD = lib/libconf.a lib/libjson.a lib/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS)
tests_fuzz_fuzz_endpoint_LDFLAGS = $(FUZZ_LINK)
