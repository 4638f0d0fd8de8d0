/* fuzz_endpoint: any text as an endpoint file. Holds besides memory safety: tokens put together are
 * the text; a file without errors gives variants of bounded size with numbers up to n_bound. */
#include "config.h"

#include <stdint.h>

#include "lib/base/check.h"
#include "lib/conf/endpoint.h"
#include "lib/conf/lex.h"
#include "lib/conf/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lex_all(struct slice text)
{
	struct lex lex;
	struct lex_tok t;
	const char *at = text.p;

	lex_init(&lex, text);
	for (lex_next(&lex, &t); t.kind != LEX_END && t.kind != LEX_ERROR; lex_next(&lex, &t)) {
		check(t.text.p == at && t.text.n > 0);
		at += t.text.n;
	}
	check(t.kind == LEX_ERROR ? lex.error != NULL : at == text.p + text.n);
}

static void look_at(const struct endpoint *e)
{
	check(e->path && e->path[0] == '/' && e->id && e->description && e->lane_reason);
	check(e->n_params <= ENDPOINT_MAX_PARAMS && e->n_segments <= ENDPOINT_MAX_SEGMENTS);
	check(e->n_variants <= ENDPOINT_MAX_VARIANTS && !e->has_sql == !e->n_variants);
	for (unsigned v = 0; v < e->n_variants; v++)
		check(strlen(e->variants[v].sql) <= ENDPOINT_MAX_SQL);
	for (unsigned i = 0; i < e->n_params; i++) {
		check(e->params[i].number <= e->n_bound);
		check(!(e->params[i].flags & PARAM_CHOICE) == (e->params[i].number > 0));
	}
	for (unsigned i = 0; i < e->n_segments; i++)
		check(e->segments[i].param < (int)e->n_params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options o;
	struct slice text = slice_of((const char *)data, size);
	struct endpoints set;
	struct errs errs;

	errs_init(&errs);
	if (!o.n_databases)
		check(options_parse(&o, "w.conf", SLICE("database main { conninfo = x }"), &errs) ==
		      0);
	lex_all(text);
	endpoints_init(&set);
	check((endpoints_parse(&set, &o, "a/b.sql", text, &errs) == 0) == (set.n == 1));
	check((errs.n_all == 0) == (set.n == 1));
	(void)endpoints_finish(&set, &errs);
	for (unsigned i = 0; i < set.n; i++)
		look_at(set.v[i]);
	endpoints_done(&set);
	errs_done(&errs);
	return 0;
}
