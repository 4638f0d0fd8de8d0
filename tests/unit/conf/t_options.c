#include "config.h"

#include "tests/unit/conf/conf_test.h"

#include <stdlib.h>

#include "lib/base/fdio.h"
#include "lib/base/num.h"
#include "lib/conf/depends.h"
#include "lib/conf/options_row.h"

struct bad {
	const char *text, *errors;
};

static void refuse(const struct bad *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct options o;
		struct errs errs;
		int count;

		errs_init(&errs);
		count = options_parse(&o, "w.conf", slice_str(v[i].text), &errs);
		cr_expect_eq((size_t)count, errs.n_all);
		same_errors(v[i].text, &errs, v[i].errors);
		options_done(&o);
	}
}

static struct options accept(const char *text)
{
	struct options o;
	struct errs errs;

	errs_init(&errs);
	options_parse(&o, "w.conf", slice_str(text), &errs);
	same_errors(text, &errs, "");
	return o;
}

Test(options, every_row_is_complete_and_keys_are_unique)
{
	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		size_t n = strlen(d->help);

		cr_expect(n > 10 && d->help[n - 1] == '.', "%s: '%s'", d->key, d->help);
		cr_expect(!d->help[0] || d->help[0] != ' ');
		cr_expect(d->flags & (OPT_F_RELOAD | OPT_F_RESTART), "%s", d->key);
		cr_expect_neq(d->flags & (OPT_F_RELOAD | OPT_F_RESTART),
			      OPT_F_RELOAD | OPT_F_RESTART, "%s", d->key);
		cr_expect_eq(options_find(d->section, slice_str(d->key)), (int)i, "%s twice", d->key);
	}
}

Test(options, every_default_passes_its_own_parser_and_bounds_agree)
{
	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		struct options o = {0};
		struct opt_row row = options_rows[i];
		void *s = options_section(&o, d->section, 0);
		char why[OPT_WHY] = "";

		cr_expect_eq(row.set(s, d, slice_str(d->def), why), 0, "%s: %s", d->key, why);
		row.done(s);
		if (!d->min[0] || !d->max[0] || strcmp(d->type, "enum") == 0)
			continue;
		cr_expect_eq(row.set(s, d, slice_str(d->min), why), 0, "%s: min %s", d->key, why);
		cr_expect_eq(row.set(s, d, slice_str(d->max), why), 0, "%s: max %s", d->key, why);
	}
}

Test(options, an_empty_file_gives_the_defaults)
{
	struct options o = accept("");

	cr_expect_str_eq(o.listen.v[0], "unix:/run/weir/weir.sock");
	cr_expect_eq(o.listen.n, 1u);
	cr_expect_eq(o.workers.max, 2u);
	cr_expect_eq(o.limits.params, 65535u);
	cr_expect_eq(o.limits.header_timeout, 10000u);
	cr_expect_eq(o.log.level, 2);
	cr_expect_eq(o.n_databases, 0u);
	options_done(&o);
}

Test(options, the_shape_of_the_manual_is_read)
{
	struct options o = accept(
	    "listen    = \"unix:/run/weir/weir.sock\"        # or \"tcp:127.0.0.1:9000\"\n"
	    "control   = \"unix:/run/weir/control.sock\"\n"
	    "status    = \"unix:/run/weir/status.sock\"      // FastCGI too\n"
	    "endpoints = \"/srv/endpoints\"  /* read\n recursively */\n"
	    "workers  { min = 1  max = 3 }\n"
	    "database main {\n"
	    "  conninfo  = 'service=app'\n"
	    "  pool_min  = 5    pool_max = 40\n"
	    "  idle_timeout = \"5min\"  max_lifetime = 30min  connect_timeout = \"2s\"\n"
	    "  batch = turn pooler = yes\n"
	    "}\n"
	    "database \"reports\" { conninfo = \"host=/tmp password='a # b ${HOME}'\" }\n"
	    "limits   { body = \"2MiB\"  params = \"64KiB\" }\n"
	    "log      { level = \"debug\"  file = \"/var/log/w\" }\n");

	cr_expect_str_eq(o.endpoints, "/srv/endpoints");
	cr_expect_eq(o.workers.max, 3u);
	cr_expect_eq(o.n_databases, 2u);
	cr_expect_str_eq(o.databases[0].name, "main");
	cr_expect_str_eq(o.databases[0].conninfo, "service=app");
	cr_expect_eq(o.databases[0].pool_max, 40u);
	cr_expect_eq(o.databases[0].idle_timeout, 300000u);
	cr_expect_eq(o.databases[0].max_lifetime, 1800000u);
	cr_expect_eq(o.databases[0].batch, 1);
	cr_expect_eq(o.databases[0].pooler, 1);
	cr_expect_str_eq(o.databases[1].name, "reports");
	cr_expect_str_eq(o.databases[1].conninfo, "host=/tmp password='a # b ${HOME}'");
	cr_expect_eq(o.databases[1].pool_max, 20u);
	cr_expect_eq(o.limits.body, 2u << 20);
	cr_expect_eq(o.limits.params, 65535u);
	cr_expect_eq(o.log.level, 3);
	options_done(&o);
}

Test(options, lists_take_one_or_several_and_may_grow)
{
	struct options o = accept("listen = { unix:/a, \"tcp:127.0.0.1:9000\" , 'tcp:[::1]:9000' }\n");

	cr_expect_eq(o.listen.n, 3u);
	cr_expect_str_eq(o.listen.v[2], "tcp:[::1]:9000");
	options_done(&o);
	o = accept("listen = unix:/a\nlisten += unix:/b\n");
	cr_expect_eq(o.listen.n, 2u);
	cr_expect_str_eq(o.listen.v[1], "unix:/b");
	options_done(&o);
}

Test(options, strings_know_their_escapes)
{
	struct options o = accept("database d { conninfo = \"a\\\"b\\\\c\\x41\\102 \\$ d\\\n e\" }\n"
				  "database e { conninfo = 'it\\'s \\n' }");

	cr_expect_str_eq(o.databases[0].conninfo, "a\"b\\cAB $ d e");
	cr_expect_str_eq(o.databases[1].conninfo, "it's \\n");
	options_done(&o);
}

Test(options, words_that_are_not_known_are_named_with_the_nearest)
{
	static const struct bad v[] = {
	    {"listn = x\n", "w.conf:1:1: unknown key 'listn' (did you mean 'listen'?)\n"},
	    {"# a\n// b\n/* c\n d */ worker { min = 1 }\n",
	     "w.conf:4:7: unknown key 'worker' (did you mean 'workers'?)\n"},
	    {"workers {\n  min = 1\n  maxx = 3\n}\n",
	     "w.conf:3:3: unknown key 'maxx' in workers (did you mean 'max'?)\n"},
	    {"workers {\n  pool_max = 3\n}\n",
	     "w.conf:2:3: unknown key 'pool_max' in workers; it belongs in database NAME { }\n"},
	    {"limits { endpoints = x }\n",
	     "w.conf:1:10: unknown key 'endpoints' in limits; it belongs to the top level\n"},
	    {"log { zebra = x }\n",
	     "w.conf:1:7: unknown key 'zebra' in log; expected one of level, file, access\n"},
	    {"a|b = 1\n", "w.conf:1:1: 'a|b' is no key, section or name\n"},
	    {"\"workers|min\" = 3\n", "w.conf:1:1: 'workers|min' is no key, section or name\n"},
	    {"\"\" = 3\n", "w.conf:1:1: '' is no key, section or name\n"},
	};

	refuse(v, ARRAY_LEN(v));
}

Test(options, every_fault_is_reported_not_the_first)
{
	static const struct bad v[] = {
	    {"listn = { a, b }\n"
	     "workers {\n"
	     "  mim = 1\n"
	     "  max = many\n"
	     "}\n"
	     "databse x { conninfo = y }\n"
	     "database main { conninfo = x  pool_max = 2000 }\n"
	     "database main { conninfo = y }\n"
	     "limits { body = \"1 parsec\" }\n"
	     "log { level = infos }\n",
	     "w.conf:1:1: unknown key 'listn' (did you mean 'listen'?)\n"
	     "w.conf:3:3: unknown key 'mim' in workers (did you mean 'min'?)\n"
	     "w.conf:4:9: bad value 'many' of max; expected a whole number from 1 to 63\n"
	     "w.conf:6:1: unknown key 'databse' (did you mean 'database'?)\n"
	     "w.conf:7:42: bad value '2000' of pool_max; expected a whole number from 1 to 1000\n"
	     "w.conf:8:1: database main is given twice\n"
	     "w.conf:9:17: bad value '1 parsec' of body; expected a size such as 512, 64KiB or 1MiB, "
	     "from 0 to 1GiB\n"
	     "w.conf:10:15: bad value 'infos' of level; expected one of error|warning|info|debug\n"},
	};

	refuse(v, ARRAY_LEN(v));
}

Test(options, values_are_typed)
{
	static const struct bad v[] = {
	    {"backlog = 0\n", "w.conf:1:11: bad value '0' of backlog; expected a whole number from 1 to 65535\n"},
	    {"backlog = -1\n", "w.conf:1:11: bad value '-1' of backlog; expected a whole number from 1 to 65535\n"},
	    {"backlog = \"\"\n", "w.conf:1:11: bad value '' of backlog; expected a whole number from 1 to 65535\n"},
	    {"workers { ready_timeout = 10 }\n",
	     "w.conf:1:27: bad value '10' of ready_timeout; expected a duration with its unit (ms, s, min, h, d) "
	     "from 100ms to 10min\n"},
	    {"workers { ready_timeout = 2h }\n",
	     "w.conf:1:27: bad value '2h' of ready_timeout; expected a duration with its unit (ms, s, min, h, d) "
	     "from 100ms to 10min\n"},
	    {"limits { params = 65537 }\n",
	     "w.conf:1:19: bad value '65537' of params; expected a size such as 512, 64KiB or 1MiB, from 1KiB to 65535\n"},
	    {"database d { conninfo = x pooler = maybe }\n",
	     "w.conf:1:36: bad value 'maybe' of pooler; expected one of off|transaction\n"},
	    {"database d { conninfo = x insecure_tls = maybe }\n",
	     "w.conf:1:42: bad value 'maybe' of insecure_tls; expected yes or no\n"},
	    {"endpoints = \"a\\nb\"\n",
	     "w.conf:1:13: bad value 'a\nb' of endpoints; expected text without control characters\n"},
	    {"socket_mode = 888\n", "w.conf:1:15: bad value '888' of socket_mode; expected an octal mode such as 0660\n"},
	    {"log { file = here }\n",
	     "w.conf:1:14: bad value 'here' of file; expected an absolute path, or stderr\n"},
	};

	refuse(v, ARRAY_LEN(v));
}

Test(options, addresses_are_checked)
{
	static const struct bad v[] = {
	    {"listen = /run/x\n",
	     "w.conf:1:10: bad address '/run/x' of listen; expected unix:PATH or tcp:ADDRESS:PORT\n"},
	    {"listen = unix:run/x\n",
	     "w.conf:1:10: bad address 'unix:run/x' of listen; expected an absolute path after unix:\n"},
	    {"listen = tcp:9000\n",
	     "w.conf:1:10: bad address 'tcp:9000' of listen; expected tcp:ADDRESS:PORT\n"},
	    {"listen = tcp:::9000\n",
	     "w.conf:1:10: bad address 'tcp:::9000' of listen; expected an IPv6 address in brackets: tcp:[::1]:9000\n"},
	    {"listen = tcp:a:70000\n",
	     "w.conf:1:10: bad address 'tcp:a:70000' of listen; expected a port from 1 to 65535 at the end\n"},
	    {"control = tcp:127.0.0.1:1\n",
	     "w.conf:1:11: bad address 'tcp:127.0.0.1:1' of control; expected unix:PATH\n"},
	    {"listen = {unix:/a, unix:/a}\n", "w.conf:1:11: address 'unix:/a' is given twice\n"},
	    {"listen = {}\n", "w.conf:1:10: empty list; expected a value\n"},
	};

	refuse(v, ARRAY_LEN(v));
}

Test(options, keys_that_depend_on_each_other_are_compared)
{
	static const struct bad v[] = {
	    {"workers { min = 3 }\n", "w.conf:1:17: workers.min (3) is larger than workers.max (2)\n"},
	    {"database d {\n  pool_min = 30\n  conninfo = x }\n",
	     "w.conf:2:14: database d: pool_min (30) is larger than pool_max (20)\n"},
	    {"workers { max = 10 }\n" MAIN_DB,
	     "w.conf:2:10: database main: pool_max (20) is too small for 10 workers with 1 express connections; "
	     "expected at least 21, or fewer workers\n"},
	    {"workers { max = 6 }\n\ndatabase d {\n conninfo = x\n express = 3 pool_max = 24 }\n",
	     "w.conf:5:25: database d: pool_max (24) is too small for 6 workers with 3 express connections; "
	     "expected at least 25, or fewer workers\n"},
	    {"workers { max = 6 }\ndatabase d { conninfo = x express = 3 pool_max = 25 }\n", ""},
	    {"workers { max = 19 }\ndatabase d { conninfo = x express = 0 }\n", ""},
	    {"\ndatabase d { }\n",
	     "w.conf:2:10: database d: conninfo is missing or empty; expected a libpq connection string\n"},
	    {"database d { conninfo = \"\" }\n",
	     "w.conf:1:25: database d: conninfo is missing or empty; expected a libpq connection string\n"},
	    {"database \"a b\" { conninfo = x }\n",
	     "w.conf:1:10: bad database name 'a b'; expected a letter, then letters, digits, _ or -, at most 32\n"},
	    {"workers { min = 1\n min = 2 }\n", "w.conf:2:2: min is given twice, first on line 1\n"},
	    {"listen = unix:/a\nlisten = unix:/b\n", "w.conf:2:1: listen is given twice, first on line 1\n"},
	    {"database a{conninfo=x}database b{conninfo=x}database c{conninfo=x}database d{conninfo=x}"
	     "database e{conninfo=x}database f{conninfo=x}database g{conninfo=x}database h{conninfo=x}\n"
	     "database i{conninfo=x}\n",
	     "w.conf:2:1: too many databases; expected at most 8\n"},
	};

	refuse(v, ARRAY_LEN(v));
}

Test(options, broken_structure_is_refused_with_its_place)
{
	static const struct bad v[] = {
	    {"workers {\n  min 3\n}\n", "w.conf:2:7: missing equal sign after option 'min'\n"},
	    {"workers {\n min = 1\n", "w.conf:1:9: '{' without '}'\n"},
	    {"}\n", "w.conf:1:1: unexpected closing brace\n"},
	    {"workers 3\n", "w.conf:1:9: missing opening brace for section 'workers'\n"},
	    {"database {\n}\n", "w.conf:1:10: missing title for section 'database'\n"},
	    {"listen =\n", "w.conf:1:8: premature end of file\n"},
	    {"workers { min += 1 }\n", "w.conf:1:15: attempt to append to non-list option 'min'\n"},
	    {"backlog = 5 )\n", "w.conf:1:13: unexpected token ')'\n"},
	    {"a * b\n", "w.conf:1:3: unexpected '*'\nw.conf:1:1: unknown key 'a'; expected"},
	    {"\"abc\n", "w.conf:1:1: string without end; expected a closing \"\n"},
	    {"/* abc\n", "w.conf:1:1: comment without end; expected */\n"},
	    {"status = ${X}\n", "w.conf:1:10: environment variables are not expanded\n"},
	    {"status = \"\\777\"\n", "w.conf:1:11: bad escape; expected \\ooo up to \\377\n"},
	    {"status = \"\\x00\"\n", "w.conf:1:10: string is not valid UTF-8, or holds a NUL\n"},
	};

	/* the first error only: what follows from a lost structure may be said or not */
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct options o;
		struct errs errs;
		char line[700] = "";
		int found = 0;
		struct slice want = slice_str(v[i].errors), first = slice_cut(&want, '\n');

		errs_init(&errs);
		options_parse(&o, "w.conf", slice_str(v[i].text), &errs);
		for (size_t j = 0; j < errs.n; j++) {
			err_format(&errs.v[j], line, sizeof(line));
			found |= slice_eq(slice_str(line), first);
		}
		cr_expect(found, "input:\n%s\nlast: %s\nexpected: %.*s", v[i].text, line, SLICE_ARG(first));
		errs_done(&errs);
		options_done(&o);
	}
}

Test(options, a_broken_file_leaves_no_trace_in_the_next_parse)
{
	struct options o;
	struct errs errs;

	errs_init(&errs);
	options_parse(&o, "w.conf", SLICE("status = \"abc"), &errs);
	cr_expect_gt(errs.n, 0u);
	options_done(&o);
	errs_done(&errs);
	o = accept("status = unix:/x\n");
	cr_expect_str_eq(o.status, "unix:/x");
	options_done(&o);
}

Test(options, json_hides_secrets)
{
	static const struct {
		const char *conninfo, *shown;
	} v[] = {
	    {"host=a password=b user=c", "host=a user=c"},
	    {"password = 'it\\'s x' host=h", "host=h"},
	    {"sslpassword=y", ""},
	    {"host=a password='open", "(set)"},
	    {"host=a junk", "(set)"},
	    {"dbname=postgresql://u:p@h/d", "dbname=(set)"},
	    {"postgresql://u:p@h:5432/d?sslmode=require", "postgresql://u@h:5432/d?sslmode=require"},
	    {"postgres://u:p:q@h1,h2/d", "postgres://u@h1,h2/d"},
	    {"postgres://u:p/x@h/d", "(set)"},
	    {"postgres://h/d?user=u&password=p&connect_timeout=3", "postgres://h/d?user=u&connect_timeout=3"},
	    {"postgres://h/d?user=u&pasword=p", "(set)"},
	    {"host=a pasword=b", "(set)"},
	    {"password=x = y host=h", "(set)"},
	    {"postgres://h/d?password=p", "postgres://h/d"},
	    {"postgres://h/d?p%61ssword=p", "(set)"},
	    {"postgres://u@h/d", "postgres://u@h/d"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		char text[300], want[300];
		struct options o;
		struct buf b;

		snprintf(text, sizeof(text), "database d { conninfo = \"%s\" }", v[i].conninfo);
		for (char *p = text; (p = strchr(p, '\\')); p += 2)	/* double for the file */
			memmove(p + 1, p, strlen(p) + 1);
		snprintf(want, sizeof(want), "\"conninfo\":\"%s\"", v[i].shown);
		o = accept(text);
		buf_init(&b, 0);
		options_to_json(&o, &b);
		cr_expect(strstr(buf_str(&b), want), "%s → %s", text, buf_str(&b));
		buf_done(&b);
		options_done(&o);
	}
}

Test(options, restart_is_asked_for_by_key)
{
	static const struct {
		const char *a, *b, *keys;
	} v[] = {
	    {"", "", ""},
	    {"", "workers { min = 2 }", ""},
	    {"", "workers { max = 3 }\nlisten = unix:/x", "listen, workers.max"},
	    {MAIN_DB, "database main { conninfo = y pool_max = 21 pool_min = 6 }", "database.main.pool_max"},
	    {MAIN_DB, "database other { conninfo = x }", "database"},
	    {MAIN_DB, MAIN_DB "database other { conninfo = x }", "database"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct options a = accept(v[i].a), b = accept(v[i].b);
		struct buf keys;

		buf_init(&keys, 0);
		cr_expect_eq(options_need_restart(&a, &b, &keys), v[i].keys[0] != 0);
		same_text(v[i].b, buf_str(&keys), v[i].keys);
		buf_done(&keys);
		options_done(&a);
		options_done(&b);
	}
}

static void all_uncommented(struct buf *out, const char *text)
{
	struct slice rest = slice_str(text);

	while (rest.p) {
		struct slice line = slice_cut(&rest, '\n'), t = slice_trim(line);

		if (t.n > 1 && t.p[0] == '#' && t.p[1] != ' ')
			t.p++, t.n--;
		buf_add(out, t.p, t.n);
		buf_addc(out, '\n');
	}
}

Test(options, the_example_is_the_committed_file_and_says_the_defaults)
{
	struct buf example, all, file, json, want;
	struct options o, defaults;
	char path[1000];

	buf_init(&example, 0);
	buf_init(&all, 0);
	buf_init(&file, 0);
	buf_init(&json, 0);
	buf_init(&want, 0);
	options_example(&example);
	snprintf(path, sizeof(path), "%s/conf/weir.conf", getenv("TOP_SRCDIR") ? getenv("TOP_SRCDIR") : ".");
	cr_assert_eq(fdio_read_file(path, 1 << 20, &file), 0, "%s", path);
	same_text("conf/weir.conf", buf_str(&file), buf_str(&example));
	o = accept(buf_str(&example));
	options_done(&o);
	all_uncommented(&all, buf_str(&example));
	o = accept(buf_str(&all));
	defaults = accept("database main { conninfo = \"service=app\" }");
	options_to_json(&o, &json);
	options_to_json(&defaults, &want);
	same_text("all uncommented", buf_str(&json), buf_str(&want));
	options_done(&o);
	options_done(&defaults);
	buf_done(&example);
	buf_done(&all);
	buf_done(&file);
	buf_done(&json);
	buf_done(&want);
}

Test(options, the_manual_names_every_key)
{
	struct buf b;

	buf_init(&b, 0);
	options_mdoc(&b);
	for (size_t i = 0; i < options_table_n; i++) {
		char item[100];

		snprintf(item, sizeof(item), ".It Ic %s No = Ar ", options_table[i].key);
		cr_expect(strstr(buf_str(&b), item), "%s", item);
	}
	buf_done(&b);
}

/* 7.7: what shapes an answer is in the text that keys are made of, and nothing else is. */
Test(options, the_text_for_keys_holds_what_shapes_an_answer)
{
	struct options a = accept("database a { conninfo = \"host=x\" } database b { conninfo = \"host=y\" timezone = \"Asia/Tokyo\" }");
	AUTO(buf) struct buf one;
	AUTO(buf) struct buf two;

	buf_init(&one, 0);
	buf_init(&two, 0);
	depends_put(&a, 0, &one);
	depends_put(&a, 1, &two);
	for (size_t i = 0; i < options_table_n; i++) {
		AUTO(buf) struct buf name;

		buf_init(&name, 0);
		buf_addf(&name, "%s.%s=", options_table[i].section, options_table[i].key);
		cr_expect_eq(strstr(buf_str(&one), buf_str(&name)) != NULL, depends_option(i) == DEPENDS_SHAPES, "%s",
			     buf_str(&name));
	}
	cr_expect(strstr(buf_str(&one), "database.timezone=\"UTC\"\n"), "%s", buf_str(&one));
	cr_expect(strstr(buf_str(&two), "database.timezone=\"Asia/Tokyo\"\n"), "%s", buf_str(&two));
	buf_clear(&two);
	depends_put(&a, 2, &two);
	cr_expect(!strstr(buf_str(&two), "database."), "of no database");
	options_done(&a);
}
