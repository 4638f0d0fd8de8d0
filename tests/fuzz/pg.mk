FUZZ_TARGETS += tests/fuzz/fuzz_event
tests_fuzz_fuzz_event_SOURCES = %D%/fuzz_event.c $(FUZZ_MAIN)
tests_fuzz_fuzz_event_LDADD = lib/libpg.a lib/libjson.a lib/libbase.a $(JANSSON_LIBS)
tests_fuzz_fuzz_event_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/fuzz_decode
tests_fuzz_fuzz_decode_SOURCES = %D%/fuzz_decode.c $(FUZZ_MAIN)
tests_fuzz_fuzz_decode_LDADD = lib/libpg.a lib/libbase.a
tests_fuzz_fuzz_decode_LDFLAGS = $(FUZZ_LINK)
