/* near: see near.h. */
#include "config.h"

#include "lib/conf/near.h"

#include <stdio.h>

#include "lib/base/num.h"

const char *near_word(struct slice word, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned best_d = word.n < 4 ? 1 : word.n < 8 ? 2 : 3;

	if (word.n == 0 || word.n > 48)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct slice w = slice_str(words[i]);
		unsigned d;

		if (!words[i])
			continue;
		if (slice_ieq(word, w))
			return words[i];
		d = num_distance(word, w);
		/* a distance as long as the word itself says nothing */
		if (d < w.n && d < word.n && (best ? d < best_d : d <= best_d)) {
			best = words[i];
			best_d = d;
		}
	}
	return best;
}

const char *near_hint(struct slice word, const char *const *words, size_t n, char out[96])
{
	const char *w = near_word(word, words, n);

	out[0] = 0;
	if (w)
		snprintf(out, 96, " (did you mean '%s'?)", w);
	return out;
}
