# What the fragments of this folder use; replay.c says how. Without --enable-fuzzing the targets are
# tests that run their corpus; with it they are fuzzers and no tests (they would never end).
FUZZ_TARGETS =
check_PROGRAMS += $(FUZZ_TARGETS)
if FUZZING
FUZZ_MAIN =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LINK = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif
EXTRA_DIST += %D%/replay.c %D%/corpus
