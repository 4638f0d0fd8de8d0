/* replay: gives every file of a corpus to a fuzz target, as a test of `make check` and without
 * libFuzzer. Program fuzz_<x> reads $TOP_SRCDIR/tests/fuzz/corpus/<x>/, or the files named as
 * arguments (how a crash is looked into). It prints the name before it runs the input, because an
 * input that is not taken well ends the process.
 *
 * How a fragment (tests/fuzz/<folder>.mk) uses it; tests/fuzz/local.mk defines the variables:
 *
 *	FUZZ_TARGETS += tests/fuzz/fuzz_conf
 *	tests_fuzz_fuzz_conf_SOURCES = %D%/fuzz_conf.c $(FUZZ_MAIN)
 *	tests_fuzz_fuzz_conf_LDADD = lib/libconf.a lib/libbase.a $(CONFUSE_LIBS)
 *	tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
 *
 * fuzz_conf.c defines LLVMFuzzerTestOneInput (with its prototype in front); seeds go to
 * tests/fuzz/corpus/conf/, one file each, and are distributed and run without being listed. With
 * `CC=clang ./configure --enable-fuzzing --enable-sanitizers` the same program is a fuzzer:
 * tests/fuzz/fuzz_conf -max_total_time=600 CORPUS. */
#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fdio.h"

#define INPUT_LIMIT (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int replay(const char *path, const char *name, int number)
{
	struct buf b;
	uint8_t *exact;
	int rc;

	buf_init(&b, 0);
	rc = fdio_read_file(path, INPUT_LIMIT, &b);
	printf("# %s: %zu bytes\n", name, b.n);
	if (rc == 0) {
		/* A block of exactly this size, so that a read past the end is seen. */
		exact = malloc(b.n ? b.n : 1);
		if (!exact)
			abort();
		if (b.n)
			memcpy(exact, b.p, b.n);
		LLVMFuzzerTestOneInput(exact, b.n);
		free(exact);
	} else {
		printf("# %s: %s\n", path, strerror(-rc));
	}
	buf_done(&b);
	printf("%s %d - %s\n", rc ? "not ok" : "ok", number, name);
	return rc ? 1 : 0;
}

static int replay_folder(const char *target)
{
	const char *top = getenv("TOP_SRCDIR");
	struct dirent **found;
	char folder[4096], path[sizeof(folder) + 256];
	int n, failed = 0;

	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top ? top : ".", target);
	n = scandir(folder, &found, is_file, alphasort);
	if (n <= 0) {
		printf("Bail out! no corpus in %s\n", folder);
		if (n == 0)
			free(found);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, found[i]->d_name);
		failed |= replay(path, found[i]->d_name, i + 1);
		free(found[i]);
	}
	free(found);
	return failed;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *target = slash ? slash + 1 : argv[0];
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strncmp(target, "fuzz_", 5) == 0)
		target += 5;
	if (argc == 1)
		return replay_folder(target);
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i], argv[i], i);
	return failed;
}
