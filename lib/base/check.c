/* check: how a programmer's mistake ends a process.
 * Nothing here allocates, locks or uses stdio, because a check may fail anywhere, in a half-broken
 * heap included. */
#include "config.h"

#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *note_buf;
static size_t note_size;

struct sentence {
	char p[512];
	size_t n;
};

static void say(struct sentence *s, const char *text)
{
	size_t n = strlen(text), room = sizeof(s->p) - s->n;

	if (n > room)
		n = room;
	memcpy(s->p + s->n, text, n);
	s->n += n;
}

static void say_int(struct sentence *s, int v)
{
	char out[12];
	size_t at = sizeof(out) - 1;
	unsigned u = v < 0 ? 0 : (unsigned)v;

	out[at] = '\0';
	do {
		out[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	say(s, out + at);
}

void check_note_into(char *buf, size_t n)
{
	note_buf = buf;
	note_size = buf ? n : 0;
}

void check_failed(const char *expr, const char *file, int line, const char *func)
{
	static volatile int is_failing; /* a check that fails while one is reported */
	struct sentence s;

	if (__atomic_exchange_n(&is_failing, 1, __ATOMIC_RELAXED))
		abort();
	s.n = 0;
	say(&s, "check failed: ");
	say(&s, expr);
	say(&s, ", ");
	say(&s, file);
	say(&s, ":");
	say_int(&s, line);
	say(&s, " in ");
	say(&s, func);
	if (note_size) {
		size_t n = s.n < note_size - 1 ? s.n : note_size - 1;

		memcpy(note_buf, s.p, n);
		note_buf[n] = '\0';
	}
	if (s.n == sizeof(s.p))
		s.n--;
	s.p[s.n++] = '\n';
	if (write(STDERR_FILENO, s.p, s.n) < 0) {
		/* nobody listens; the note and the core remain */
	}
	abort();
}
