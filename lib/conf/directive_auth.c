/* directive_auth: who may call, and what of the caller reaches the statement: @auth and @rls. */
#include "config.h"

#include "lib/conf/directive.h"

#define MAX_RULES 16
#define MAX_VALUES 32

int dir_is_claim(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("=\"'\\,|", s.p[i]))
			return 0;
	return s.n > 0 && s.n <= 128 && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

/* A|B|C into the rule. 0 with an error. */
static int values(struct dir *d, struct auth_rule *rule, struct slice text, unsigned col)
{
	const char **v = arena_alloc(d->arena, MAX_VALUES * sizeof(*v));

	for (struct slice rest = text; rest.p;) {
		struct slice s = slice_cut(&rest, '|');

		if (s.n == 0 || rule->n_values == MAX_VALUES) {
			dir_error(d, col, "bad value '%.*s'; expected one word, or A|B of at most %d",
				  SLICE_ARG(text), MAX_VALUES);
			return 0;
		}
		v[rule->n_values++] = dir_str(d, s);
	}
	rule->values = v;
	dir_warn_commas(d, text, col);
	return 1;
}

static int claim_rule(struct dir *d, struct auth_rule *rule)
{
	struct dir_word w;
	struct slice value, name;

	if (!dir_need(d, &w, "PATH=VALUE after 'claim'"))
		return 0;
	value = w.text;
	name = slice_cut(&value, '=');
	if (!value.p || !dir_is_claim(name)) {
		dir_error(d, w.col, "bad condition '%.*s'; expected PATH=VALUE, such as tenant.plan=gold",
			  SLICE_ARG(w.text));
		return 0;
	}
	rule->claim = dir_str(d, name);
	return values(d, rule, value, w.col + (unsigned)name.n + 1);
}

/* 0 when the rest of the line makes no sense any more. */
static int condition(struct dir *d, const struct dir_word *w)
{
	static const char *const words[] = {"none", "user", "role", "claim", NULL};
	struct endpoint *e = d->e;
	struct auth_rule rule = {.kind = AUTH_RULE_USER};
	struct dir_word v;
	int i = dir_one_of(d, w, "access", words);

	if (i < 0)
		return 0;
	if (i == 0) {
		d->public_line = d->line;
		return 1;
	}
	if (i == 2) {
		rule.kind = AUTH_RULE_ROLE;
		if (!dir_need(d, &v, "a role, or A|B, after 'role'") || !values(d, &rule, v.text, v.col))
			return 0;
	} else if (i == 3) {
		rule.kind = AUTH_RULE_CLAIM;
		if (!claim_rule(d, &rule))
			return 0;
	}
	if (e->n_auth_rules == MAX_RULES) {
		dir_error(d, w->col, "too many conditions; expected at most %d", MAX_RULES);
		return 0;
	}
	if (!e->auth_rules)
		e->auth_rules = arena_alloc(d->arena, MAX_RULES * sizeof(rule));
	e->auth_rules[e->n_auth_rules++] = rule;
	e->auth = AUTH_USER;
	return 1;
}

void dir_auth(struct dir *d)
{
	struct dir_word w;

	if (!dir_need(d, &w, "none, user, role A|B or claim PATH=VALUE"))
		return;
	do {
		if (!condition(d, &w))
			return;
	} while (dir_next(d, &w));
}

void dir_rls(struct dir *d)
{
	d->e->identity_rls = 1;
	dir_end(d);
}
