#include "config.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *note;
static size_t note_n;

void check_note_into(char *buf, size_t n)
{
	note = buf;
	note_n = n;
}

void check_failed(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "check failed: %s, %s:%d in %s\n", expr, file, line, func);

	if (n > 0)
		(void)!write(2, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	if (note && n > 0) {
		strncpy(note, text, note_n - 1);
		note[note_n - 1] = 0;
	}
	abort();
}
