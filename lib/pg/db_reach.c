/* What a statement reaches: functions that are not PostgreSQL's own, or that keep something in the session. Asked of the
 * catalogs when the statements are described, by all that their texts mention (lib/conf/session.h): functions that they
 * call by whatever notation; and through the relations, types and operators that they name, what hangs on these: the
 * rules of views, policies, triggers, defaults, constraints, indexes, partitions, casts, comparisons.
 *
 * It errs on one side. A name may mean several things, in any schema, and all of them are looked at; what is then too
 * much costs the express lane and a reset. What the answer is not known of counts as reached. Of the code that runs
 * without being called by name, behind types and operators, what an extension brings in C and declares IMMUTABLE is
 * believed to keep nothing. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"

/* Parameters: statements, kinds (n name, c call, f field, o operator) and names, side by side; the statements that
 * write. With search_path = pg_catalog. One row for each statement: its number, why it is not clean or NULL, whether it
 * reads settings. */
static const char reach_sql[] =
    "WITH RECURSIVE "
    " m(s, k, n) AS MATERIALIZED (SELECT DISTINCT u.s, u.k, u.n FROM unnest($1::int[], $2::text[], $3::text[]) "
    "   u(s, k, n)), "
    " w(s) AS MATERIALIZED (SELECT unnest($4::int[])), "
    " keeps(o, n) AS MATERIALIZED ( "
    "  SELECT p.oid, p.proname FROM pg_proc p WHERE p.oid < 16384 AND ( "
    "   (p.provolatile = 'v' AND p.proname <> ALL "
    "     ('{random,random_normal,clock_timestamp,timeofday,gen_random_uuid,uuidv4,uuidv7,pg_sleep,pg_sleep_for,"
    "     pg_sleep_until,nextval,setval,pg_notify,pg_is_in_recovery,pg_current_wal_lsn,pg_current_wal_insert_lsn,"
    "     pg_current_wal_flush_lsn,pg_last_wal_receive_lsn,pg_last_wal_replay_lsn,pg_last_xact_replay_timestamp,"
    "     pg_relation_size,pg_table_size,pg_indexes_size,pg_total_relation_size,pg_database_size,"
    "     pg_tablespace_size,pg_lock_status,pg_blocking_pids,pg_partition_tree,pg_partition_ancestors,"
    "     pg_sequence_last_value,pg_xact_status,txid_status,pg_xact_commit_timestamp,pg_cancel_backend,"
    "     pg_terminate_backend,current_query}') "
    "     AND p.proname !~ '^(pg_(try_)?advisory_xact_lock|lo_|loread$|lowrite$|pg_stat_get_)') "
    "   OR p.proname ~ '_to_xml|^pg_input_' "
    "   OR p.proargtypes::oid[] && '{2275,2281}'::oid[])), "
    " seed(s, c, o, wr) AS MATERIALIZED ( "
    "  SELECT m.s, 'pg_class'::regclass::oid, c.oid, m.s IN (SELECT w.s FROM w) "
    "    FROM m JOIN pg_class c ON c.relname = m.n WHERE m.k = 'n' AND c.oid >= 16384 AND c.relkind IN ('r', "
    "      'p', 'v', 'm', 'f') "
    "  UNION "
    "  SELECT m.s, 'pg_type'::regclass::oid, t.oid, false "
    "    FROM m JOIN pg_type t ON t.typname = m.n WHERE m.k = 'n' AND t.oid >= 16384 AND t.typtype <> 'p' AND "
    "      t.typrelid = 0 "
    "  UNION "
    "  SELECT m.s, 'pg_class'::regclass::oid, t.typrelid, false "
    "    FROM m JOIN pg_type t ON t.typname = m.n WHERE m.k = 'n' AND t.oid >= 16384 AND t.typrelid <> 0 "
    "     AND (SELECT x.relkind FROM pg_class x WHERE x.oid = t.typrelid) = 'c'), "
    " root(c, o, wr) AS (SELECT DISTINCT seed.c, seed.o, seed.wr FROM seed), "
    /* every object that comes along; c = 0: a function behind an operator, a type or an index */
    " r(rc, ro, rw, c, o) AS ( "
    "  SELECT root.c, root.o, root.wr, root.c, root.o FROM root "
    "  UNION "
    "  SELECT r.rc, r.ro, r.rw, e.c, e.o FROM r CROSS JOIN LATERAL ( "
    "   SELECT CASE WHEN d.refclassid = 'pg_proc'::regclass AND r.c IN ('pg_type'::regclass, "
    "     'pg_operator'::regclass, 'pg_opclass'::regclass) "
    "               THEN 0 ELSE d.refclassid END, d.refobjid "
    "     FROM pg_depend d "
    "    WHERE d.classid = r.c AND d.objid = r.o AND d.refobjid >= 16384 "
    "      AND r.c <> ALL (ARRAY[0, 'pg_proc'::regclass::oid]) "
    "      AND (d.refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass, "
    "            'pg_opclass'::regclass, 'pg_opfamily'::regclass) "
    "           OR (d.refclassid = 'pg_class'::regclass AND r.c <> 'pg_class'::regclass)) "
    "   UNION ALL SELECT 'pg_rewrite'::regclass, x.oid FROM pg_rewrite x "
    "    WHERE r.c = 'pg_class'::regclass AND x.ev_class = r.o AND (x.ev_type = '1' OR r.rw) "
    "   UNION ALL SELECT 'pg_policy'::regclass, x.oid FROM pg_policy x "
    "    WHERE r.c = 'pg_class'::regclass AND x.polrelid = r.o "
    "   UNION ALL SELECT 'pg_class'::regclass, x.indexrelid FROM pg_index x "
    "    WHERE r.c = 'pg_class'::regclass AND x.indrelid = r.o AND r.rw "
    "   UNION ALL SELECT 'pg_opclass'::regclass, i.o FROM pg_index x CROSS JOIN LATERAL "
    "     unnest(x.indclass::oid[]) i(o) "
    "    WHERE r.c = 'pg_class'::regclass AND x.indrelid = r.o AND i.o >= 16384 "
    "   UNION ALL SELECT 'pg_class'::regclass, x.inhrelid FROM pg_inherits x "
    "    WHERE r.c = 'pg_class'::regclass AND x.inhparent = r.o "
    "   UNION ALL SELECT 'pg_attrdef'::regclass, x.oid FROM pg_attrdef x "
    "     JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum "
    "    WHERE r.c = 'pg_class'::regclass AND x.adrelid = r.o AND (r.rw OR a.attgenerated = 'v') "
    "   UNION ALL SELECT 'pg_trigger'::regclass, x.oid FROM pg_trigger x "
    "    WHERE r.rw AND r.c = 'pg_class'::regclass AND x.tgrelid = r.o "
    "   UNION ALL SELECT 'pg_constraint'::regclass, x.oid FROM pg_constraint x "
    "    WHERE r.rw AND r.c = 'pg_class'::regclass AND x.conrelid = r.o "
    "   UNION ALL SELECT 'pg_class'::regclass, x.conrelid FROM pg_constraint x "
    "    WHERE r.rw AND r.c = 'pg_class'::regclass AND x.confrelid = r.o AND x.contype = 'f' "
    "   UNION ALL SELECT 'pg_constraint'::regclass, x.oid FROM pg_constraint x "
    "    WHERE r.c = 'pg_type'::regclass AND x.contypid = r.o "
    "   UNION ALL SELECT 'pg_class'::regclass, x.typrelid FROM pg_type x "
    "    WHERE r.c = 'pg_type'::regclass AND x.oid = r.o AND x.typrelid <> 0 "
    "   UNION ALL SELECT 'pg_type'::regclass, x.typelem FROM pg_type x "
    "    WHERE r.c = 'pg_type'::regclass AND x.oid = r.o AND x.typelem >= 16384 "
    "   UNION ALL SELECT 'pg_opclass'::regclass, x.oid FROM pg_opclass x "
    "    WHERE r.c = 'pg_type'::regclass AND x.opcintype = r.o "
    "   UNION ALL SELECT 'pg_opfamily'::regclass, x.opcfamily FROM pg_opclass x "
    "    WHERE r.c = 'pg_opclass'::regclass AND x.oid = r.o "
    "   UNION ALL SELECT 0, x.amproc::oid FROM pg_amproc x "
    "    WHERE r.c = 'pg_opfamily'::regclass AND x.amprocfamily = r.o AND x.amproc::oid >= 16384 "
    "   UNION ALL SELECT 'pg_operator'::regclass, x.amopopr FROM pg_amop x "
    "    WHERE r.c = 'pg_opfamily'::regclass AND x.amopfamily = r.o AND x.amopopr >= 16384 "
    "  ) e(c, o)), "
    " st(s, c, o) AS MATERIALIZED (SELECT DISTINCT seed.s, r.c, r.o FROM seed JOIN r ON (r.rc, r.ro, r.rw) = "
    "   (seed.c, seed.o, seed.wr)), "
    /* what is stored of expressions, as text: PostgreSQL notes no dependency on what is its own */
    " tree(c, o, what, t) AS ( "
    "  SELECT x.c, x.o, x.what, x.t FROM (SELECT DISTINCT st.c, st.o FROM st) d CROSS JOIN LATERAL ( "
    "   SELECT d.c, d.o, 'view or rule ' || x.ev_class::regclass, x.ev_action::text || x.ev_qual::text FROM "
    "     pg_rewrite x WHERE d.c = 'pg_rewrite'::regclass AND x.oid = d.o "
    "   UNION ALL SELECT d.c, d.o, 'policy ' || x.polname, coalesce(x.polqual::text, '') || "
    "     coalesce(x.polwithcheck::text, '') FROM pg_policy x WHERE d.c = 'pg_policy'::regclass AND x.oid = d.o "
    "   UNION ALL SELECT d.c, d.o, 'a default of ' || x.adrelid::regclass, x.adbin::text FROM pg_attrdef x WHERE "
    "     d.c = 'pg_attrdef'::regclass AND x.oid = d.o "
    "   UNION ALL SELECT d.c, d.o, 'constraint ' || x.conname, x.conbin::text FROM pg_constraint x WHERE d.c = "
    "     'pg_constraint'::regclass AND x.oid = d.o AND x.conbin IS NOT NULL "
    "   UNION ALL SELECT d.c, d.o, 'trigger ' || x.tgname, x.tgqual::text FROM pg_trigger x WHERE d.c = "
    "     'pg_trigger'::regclass AND x.oid = d.o AND x.tgqual IS NOT NULL "
    "   UNION ALL SELECT d.c, d.o, 'index ' || x.indexrelid::regclass, coalesce(x.indexprs::text, '') || "
    "     coalesce(x.indpred::text, '') FROM pg_index x WHERE d.c = 'pg_class'::regclass AND x.indexrelid = d.o "
    "   UNION ALL SELECT d.c, d.o, 'partitions of ' || x.partrelid::regclass, x.partexprs::text FROM "
    "     pg_partitioned_table x WHERE d.c = 'pg_class'::regclass AND x.partrelid = d.o AND x.partexprs IS NOT NULL "
    "  ) x(c, o, what, t)), "
    " calls(c, o, what, f) AS MATERIALIZED ( "
    "  SELECT DISTINCT tree.c, tree.o, tree.what, h.f[2]::oid "
    "    FROM tree CROSS JOIN LATERAL regexp_matches(tree.t, ':(funcid|opfuncid|aggfnoid|winfnoid|relid) (\\d+)', "
    "      'g') h(f)), "
    /* functions that run without being called by name: C code of an extension that promises to change nothing is believed */
    " trusted(o) AS MATERIALIZED ( "
    "  SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang "
    "   WHERE p.oid >= 16384 AND l.lanname = 'c' AND (p.provolatile = 'i' OR p.prorettype = 2275 OR "
    "     p.proargtypes::oid[] && '{2275,2281}'::oid[]) "
    "     AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND "
    "       d.deptype = 'e')), "
    " types(s, o) AS MATERIALIZED (SELECT st.s, st.o FROM st WHERE st.c = 'pg_type'::regclass), "
    " found(s, why) AS ( "
    "  SELECT m.s, 'it calls ' || p.oid::regprocedure FROM m JOIN pg_proc p ON p.proname = m.n "
    "   WHERE p.oid >= 16384 AND (m.k = 'c' OR (m.k = 'f' AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults "
    "     <= 1)) AND p.prokind <> 'p' "
    "  UNION ALL SELECT m.s, 'it calls ' || keeps.n FROM m JOIN keeps ON keeps.n = m.n WHERE m.k IN ('c', 'f') "
    "    AND m.n <> 'set_config' "
    "  UNION ALL SELECT st.s, 'what it reaches calls ' || st.o::regprocedure FROM st WHERE st.c = 'pg_proc'::regclass "
    "  UNION ALL SELECT st.s, 'what it reaches uses ' || st.o::regprocedure FROM st WHERE st.c = 0 AND st.o NOT "
    "    IN (SELECT trusted.o FROM trusted) "
    "  UNION ALL SELECT st.s, calls.what || ' calls ' || keeps.n FROM st JOIN calls ON (calls.c, calls.o) = "
    "    (st.c, st.o) JOIN keeps ON keeps.o = calls.f "
    "  UNION ALL SELECT st.s, 'it reads the foreign table ' || c.oid::regclass FROM st JOIN pg_class c ON c.oid "
    "    = st.o WHERE st.c = 'pg_class'::regclass AND c.relkind = 'f' "
    "  UNION ALL SELECT m.s, 'its operator ' || o.oprname || ' is ' || o.oprcode::oid::regprocedure FROM m JOIN "
    "    pg_operator o ON o.oprname = m.n "
    "   WHERE m.k = 'o' AND o.oid >= 16384 AND o.oprcode::oid >= 16384 AND o.oprcode::oid NOT IN (SELECT "
    "     trusted.o FROM trusted) "
    "     AND (o.oprleft < 16384 OR (m.s, o.oprleft) IN (SELECT types.s, types.o FROM types)) AND (o.oprright < "
    "       16384 OR (m.s, o.oprright) IN (SELECT types.s, types.o FROM types)) "
    "  UNION ALL SELECT a.s, 'a cast is ' || x.castfunc::regprocedure FROM (SELECT DISTINCT m.s FROM m) a JOIN "
    "    pg_cast x ON x.castfunc >= 16384 "
    "   WHERE x.castfunc NOT IN (SELECT trusted.o FROM trusted) "
    "     AND (x.castsource < 16384 OR (a.s, x.castsource) IN (SELECT types.s, types.o FROM types)) AND "
    "       (x.casttarget < 16384 OR (a.s, x.casttarget) IN (SELECT types.s, types.o FROM types)) "
    "  UNION ALL SELECT m.s, 'it writes pg_settings' FROM m JOIN w ON w.s = m.s WHERE m.k = 'n' AND m.n = "
    "    'pg_settings'), "
    " reads(s) AS ( "
    "  SELECT m.s FROM m WHERE m.k = 'n' AND m.n IN ('current_setting', 'pg_settings', 'pg_show_all_settings') "
    "  UNION SELECT st.s FROM st JOIN calls ON (calls.c, calls.o) = (st.c, st.o) "
    "   WHERE calls.f IN (SELECT p.oid FROM pg_proc p WHERE p.oid < 16384 AND p.proname IN ('current_setting', "
    "     'pg_show_all_settings')) "
    "      OR calls.f = 'pg_settings'::regclass::oid) "
    "SELECT a.s, (SELECT min(found.why) FROM found WHERE found.s = a.s), a.s IN (SELECT reads.s FROM reads) FROM "
    "  (SELECT DISTINCT m.s FROM m) a";

struct asking {
	struct db_stmt *stmts;
	unsigned at;
	int is_unknown;		/* the text at hand is not understood */
	struct buf numbers, kinds, names, writers;
};

static void touches(struct db_stmt *s, const char *why)
{
	snprintf(s->touches, sizeof(s->touches), "%s", why);
	s->reads_settings = 1;
}

static void put(void *ctx, enum session_mention kind, struct slice name)
{
	static const char letters[] = {[MENTION_NAME] = 'n', [MENTION_CALL] = 'c', [MENTION_FIELD] = 'f',
				       [MENTION_OPERATOR] = 'o', [MENTION_UNKNOWN] = '?'};
	struct asking *a = ctx;
	char sep = a->numbers.n ? ',' : '{';

	if (kind == MENTION_UNKNOWN) {
		a->is_unknown = 1;
		return;
	}
	buf_addf(&a->numbers, "%c%u", sep, a->at);
	buf_addf(&a->kinds, "%c%c", sep, letters[kind]);
	buf_addf(&a->names, "%c\"", sep);
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_addc(&a->names, '\\');
		buf_addc(&a->names, name.p[i]);
	}
	buf_addc(&a->names, '"');
}

/* Those of which the catalogs are asked; how many. */
static unsigned gather(struct asking *a, unsigned n)
{
	unsigned asked = 0;

	for (unsigned i = 0; i < n; i++) {
		struct db_stmt *s = &a->stmts[i];

		s->touches[0] = 0;
		s->is_unread = 0;
		s->reads_settings = 1;
		if (s->session == SESSION_TOUCHES)
			touches(s, "nobody knows what it runs");
		if (s->session == SESSION_TOUCHES || !s->desc)
			continue;
		/* until the answer is in */
		if (s->session == SESSION_ASK)
			touches(s, "what it reaches could not be looked up");
		a->at = i;
		a->is_unknown = 0;
		session_mentions(s->sql, put, a);
		if (a->is_unknown) {
			s->is_unread = 1;
			continue;
		}
		if (s->may_write)
			buf_addf(&a->writers, "%c%u", a->writers.n ? ',' : '{', i);
		asked++;
	}
	buf_adds(&a->writers, a->writers.n ? "}" : "{}");
	buf_adds(&a->numbers, "}");
	buf_adds(&a->kinds, "}");
	buf_adds(&a->names, "}");
	return asked;
}

static void take(struct asking *a, unsigned n, const PGresult *res)
{
	for (int r = 0; r < PQntuples(res); r++) {
		unsigned long i = strtoul(db_cell(res, r, 0), NULL, 10);
		struct db_stmt *s;

		if (i >= n || PQnfields(res) != 3 || a->stmts[i].is_unread)
			continue;
		s = &a->stmts[i];
		s->touches[0] = 0;
		if (PQgetisnull(res, r, 1))
			s->reads_settings = db_cell(res, r, 2)[0] == 't';
		else if (s->session == SESSION_ASK)
			touches(s, db_cell(res, r, 1));
	}
}

/* Nothing is reset behind another client's back: a pooler may hand the server to somebody else at once. */
static void refuse_behind_pooler(struct db_stmt *stmts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct db_stmt *s = &stmts[i];

		if (!s->touches[0] || s->failed.id || !s->desc)
			continue;
		err_set_at(&s->failed, E_sql, s->file, s->line, 0,
			   "%s, and what that may leave in a session cannot be reset behind a pooler; say @session clean if it "
			   "leaves nothing", s->touches);
		db_desc_free(&s->desc);
	}
}

int db_reach(PGconn *pg, const struct opts_database *o, struct db_stmt *stmts, unsigned n, uint64_t *ret_mark, char error[256])
{
	struct asking a = {.stmts = stmts};
	uint64_t now_ns = clock_mono_ns(), deadline_ns = db_describe_deadline(o, n);
	char limit[64];
	const char *const before[] = {"BEGIN READ ONLY", "SET LOCAL search_path = pg_catalog", "SET LOCAL jit = off", limit};
	PGresult *res;
	int is_sound = 1;

	/* catalogs that are too large for it cost the express lane, and not the connection */
	snprintf(limit, sizeof(limit), "SET LOCAL statement_timeout = %llu",
		 (unsigned long long)((deadline_ns - now_ns) / CLOCK_MS / 2 + 1));
	*ret_mark = 0;
	buf_init(&a.numbers, 0);
	buf_init(&a.kinds, 0);
	buf_init(&a.names, 0);
	buf_init(&a.writers, 0);
	if (gather(&a, n)) {
		const char *values[] = {buf_str(&a.numbers), buf_str(&a.kinds), buf_str(&a.names), buf_str(&a.writers)};

		for (size_t i = 0; i < ARRAY_LEN(before); i++)
			PQclear(db_exec_until(pg, before[i], NULL, 0, deadline_ns));
		/* what changes in between is seen by the next look */
		res = db_exec_until(pg, db_mark_sql, NULL, 0, deadline_ns);
		*ret_mark = db_mark_of(res);
		PQclear(res);
		res = db_exec_until(pg, reach_sql, values, 4, deadline_ns);
		if (PQresultStatus(res) == PGRES_TUPLES_OK)
			take(&a, n, res);
		PQclear(res);
		PQclear(db_exec_until(pg, "ROLLBACK", NULL, 0, deadline_ns));
		is_sound = PQtransactionStatus(pg) == PQTRANS_IDLE && PQstatus(pg) == CONNECTION_OK;
	}
	if (o->pooler)
		refuse_behind_pooler(stmts, n);
	buf_done(&a.numbers);
	buf_done(&a.kinds);
	buf_done(&a.names);
	buf_done(&a.writers);
	if (is_sound)
		return 0;
	db_say(pg, NULL, error, 256);
	return -1;
}
