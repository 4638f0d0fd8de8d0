FUZZ_TARGETS += tests/fuzz/fuzz_mc_value
tests_fuzz_fuzz_mc_value_SOURCES = %D%/fuzz_mc_value.c $(FUZZ_MAIN)
tests_fuzz_fuzz_mc_value_LDADD = lib/libmc.a lib/libshm.a lib/libbase.a $(XXHASH_LIBS)
tests_fuzz_fuzz_mc_value_LDFLAGS = $(FUZZ_LINK)
