/* Is the database there, for this pool? What another session of weir-monitor meets says little of it: its own may be an old
 * one, while nobody else is let in, and the reverse. So a pool says what it meets itself. Where nobody knows it asks: an
 * idle connection while weir-monitor finds no database, and a new one behind a loss whether all that is said on it
 * arrives. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define FAILING_NS (5 * CLOCK_S)	/* a failure that nobody had a reason to repeat says nothing for longer */
#define HEARD_NS CLOCK_S
#define PING_NS (250 * CLOCK_MS)
#define PROOF_BYTES 16384u		/* some packets of any link */

/* It serves, or will in a moment: a job has it, or it is waiting for the end of a cancel. */
static int is_made(const struct db_conn *c)
{
	return c->opened_ns && c->state != DB_C_CLOSING;
}

int db_has_open(const struct db_pool *p)
{
	LIST_FOR(l, &p->conns)
		if (is_made(LIST_ENTRY(l, struct db_conn, node)))
			return 1;
	return 0;
}

int db_has_exclusive(const struct db_pool *p)
{
	LIST_FOR(l, &p->conns)
	{
		const struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->lane == LANE_EXCLUSIVE && is_made(c))
			return 1;
	}
	return 0;
}

int db_is_last(const struct db_pool *p, const struct db_conn *c)
{
	if (c->is_moved || (!p->failures && p->slotless_ns))
		return 0;
	LIST_FOR(l, &p->conns)
	{
		const struct db_conn *other = LIST_ENTRY(l, struct db_conn, node);

		if (other != c && is_made(other) && !other->is_draining)
			return 0;
	}
	return 1;
}

int db_is_cut(const struct db_pool *p)
{
	return p->failures && !db_has_open(p);
}

void db_alive_failed(struct db_pool *p, enum db_refusal why, uint64_t now_ns)
{
	p->failures++;
	p->n_failed++;
	p->failed_ns = now_ns;
	p->refusal = why;
}

/* An answer is the server's word; so is a session that was just made. */
static int is_heard(const struct db_pool *p, uint64_t now_ns)
{
	LIST_FOR(l, &p->conns)
	{
		const struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->state == DB_C_OPEN && now_ns - c->last_sync_ns < HEARD_NS)
			return 1;
	}
	return 0;
}

unsigned db_pool_link(const struct db_pool *p, uint64_t now_ns)
{
	unsigned link = is_heard(p, now_ns) ? DB_LINK_HEARD : 0;

	if (p->failures && (p->n_connecting || now_ns - p->failed_ns < FAILING_NS || !db_has_open(p)))
		link |= DB_LINK_FAILING;
	return db_is_cut(p) ? link | DB_LINK_CUT : link;
}

/* Kinds of errors: what the server said, as far as it is known what it means; else the text, but for its numbers. */
unsigned db_pool_n_failed(const struct db_pool *p, char ret_kind[8])
{
	uint32_t h = 2166136261u;

	if (p->refusal == DB_REFUSED_NOT || p->refusal == DB_REFUSED_UNFINISHED)
		for (const char *s = p->why; *s; s++)
			h = isdigit((unsigned char)*s) ? h : (h ^ (unsigned char)*s) * 16777619u;
	snprintf(ret_kind, 8, "%u-%05x", (unsigned)p->refusal % 10u, h & 0xfffffu);
	return p->n_failed;
}

void db_alive_tick(struct db_pool *p, uint64_t now_ns)
{
	struct db_conn *idle = NULL;

	if (likely(!atomic_load_explicit(&region_db(p->conf.region, p->conf.db)->is_unseen, memory_order_relaxed)) ||
	    now_ns - p->pinged_ns < PING_NS)
		return;
	p->pinged_ns = now_ns;
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		/* the express lane's guard has the shorter patience; of its connections the one that was silent for longest */
		if (db_conn_is_idle(c) && (!idle || c->lane < idle->lane || (c->lane == idle->lane && c->last_sync_ns < idle->last_sync_ns)))
			idle = c;
	}
	if (!idle)
		return;
	(void)db_entry_alone(idle, DB_E_PING, 0, now_ns);
	if (!PQsendQueryParams(idle->pg, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0) || db_conn_sync(idle))
		db_conn_close(idle, now_ns);
}

int db_prove(PGconn *pg, uint64_t deadline_ns, char error[256])
{
	char *text = malloc(PROOF_BYTES + 1);
	const char *values[1] = {text};
	PGresult *res;
	int ok;

	check(text);
	memset(text, 'x', PROOF_BYTES);
	text[PROOF_BYTES] = 0;
	res = db_exec_until(pg, "SELECT $1::text", values, 1, deadline_ns);
	ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	if (!ok && !res && PQstatus(pg) == CONNECTION_OK)
		snprintf(error, 256, "the server lets in, but %u bytes to it and back do not arrive within connect_timeout", PROOF_BYTES);
	else if (!ok)
		db_say(pg, res, error, 256);
	PQclear(res);
	free(text);
	return ok ? 0 : -1;
}
