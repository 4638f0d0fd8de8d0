FUZZ_TARGETS += tests/fuzz/fuzz_ctl
tests_fuzz_fuzz_ctl_SOURCES = %D%/fuzz_ctl.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ctl_LDADD = lib/libctl.a lib/libbase.a
tests_fuzz_fuzz_ctl_LDFLAGS = $(FUZZ_LINK)
