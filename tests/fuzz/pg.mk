FUZZ_TARGETS += tests/fuzz/fuzz_event
tests_fuzz_fuzz_event_SOURCES = %D%/fuzz_event.c $(FUZZ_MAIN)
tests_fuzz_fuzz_event_LDADD = lib/libpg.a lib/libjson.a lib/libbase.a $(JANSSON_LIBS)
tests_fuzz_fuzz_event_LDFLAGS = $(FUZZ_LINK)
