#include "config.h"

#include "lib/conf/tag.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/conf/endpoint.h"

#define SHAPE_MAX 160	/* of a template: 128 bytes as written at most (lib/conf/directive_cache.c) */

/* The template with '*', which no tag holds, for each value. */
static size_t shape(const struct tag_template *t, char out[SHAPE_MAX])
{
	size_t n = 0;

	for (unsigned i = 0; i < t->n_parts; i++) {
		const struct tag_part *p = &t->parts[i];

		check(n + p->text.n + 1 < SHAPE_MAX);
		if (p->kind != TAG_TEXT) {
			out[n++] = '*';
			continue;
		}
		memcpy(out + n, p->text.p, p->text.n);
		n += p->text.n;
	}
	return n;
}

int tag_meets(const struct tag_template *a, const struct tag_template *b)
{
	char s[SHAPE_MAX], t[SHAPE_MAX];
	size_t n = shape(a, s), m = shape(b, t);
	unsigned char row[2][SHAPE_MAX + 1];	/* [j]: the rest of s from i and the rest of t from j meet; of i and of i + 1 */
	unsigned now = 0;

	for (size_t i = 0; i < n && i < m && s[i] != '*' && t[i] != '*'; i++)
		if (s[i] != t[i])
			return 0;
	for (size_t i = n + 1; i-- > 0; now ^= 1)
		for (size_t j = m + 1; j-- > 0;) {
			int skip_s = i < n && row[now ^ 1][j], skip_t = j < m && row[now][j + 1];

			if (i == n && j == m)
				row[now][j] = 1;
			else if ((i < n && s[i] == '*') || (j < m && t[j] == '*'))
				row[now][j] = (unsigned char)(skip_s || skip_t);
			else
				row[now][j] = i < n && j < m && s[i] == t[j] && row[now ^ 1][j + 1];
		}
	return row[now ^ 1][0];
}
