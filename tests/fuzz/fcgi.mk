FUZZ_TARGETS += tests/fuzz/fuzz_gate
tests_fuzz_fuzz_gate_SOURCES = %D%/fuzz_gate.c $(FUZZ_MAIN)
tests_fuzz_fuzz_gate_LDADD = lib/libfcgi.a lib/libbase.a $(FCGI_LIBS)
tests_fuzz_fuzz_gate_LDFLAGS = $(FUZZ_LINK)
