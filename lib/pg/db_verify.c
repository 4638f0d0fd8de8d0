/* Descriptions that DDL has made wrong. Names and types of a result are held against it once for each prepared
 * statement (the server keeps them then, or fails); through a pooler each time. Parameters keep the types that they had
 * when the statement was prepared, without an error where the new type can be compared with the old one: so the statement
 * is parsed once more, and not run, once a second while it is in use. One of the workers does it for all. And it is when
 * a client's value was refused: a few times in a row at once, then every tenth of a second at most. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/digest.h"

#define VERIFY_NS CLOCK_S

#define DOUBT_NS (100 * CLOCK_MS)
#define DOUBTS_BURST 20u

static void want(struct db_pool *p, struct db_stmt *s)
{
	if (s->wants_verify || s->is_verifying || s->is_stale)
		return;
	s->wants_verify = 1;
	p->n_verify++;
}

void db_verify_want(struct db_pool *p, struct db_stmt *s, uint64_t now_ns)
{
	uint64_t ms, seen;

	if (likely(now_ns < s->verified_ns + VERIFY_NS))
		return;
	s->verified_ns = now_ns;
	ms = now_ns / CLOCK_MS;
	if (s->shared) {
		seen = atomic_load_explicit(&s->shared->looked_ms, memory_order_relaxed);
		if (ms < seen + VERIFY_NS / CLOCK_MS || !atomic_compare_exchange_strong(&s->shared->looked_ms, &seen, ms))
			return;		/* another one is at it, or was */
	}
	want(p, s);
}

int db_doubt(struct db_pool *p, unsigned stmt, int only_if_spare, uint64_t now_ns)
{
	struct db_stmt *s = &p->stmts[stmt];

	if (s->is_verifying || s->wants_verify || s->is_stale)
		return 1;
	if (s->doubts_ns + DOUBTS_BURST * DOUBT_NS < now_ns)
		s->doubts_ns = now_ns - DOUBTS_BURST * DOUBT_NS;
	if (!s->desc || s->doubts_ns + DOUBT_NS > now_ns || (only_if_spare && !db_pool_spare_for(p, s, now_ns)))
		return 0;
	s->doubts_ns += DOUBT_NS;
	want(p, s);
	return 1;
}

void db_verify_tell(struct db_pool *p, unsigned stmt)
{
	struct db_stmt *s = &p->stmts[stmt];
	uint32_t epoch = s->epoch;

	if (s->shared && !s->is_stale)
		atomic_compare_exchange_strong(&s->shared->epoch, &epoch, epoch + 1);
	db_stmt_stale(p, stmt);
}

void db_verify_hear(struct db_pool *p, unsigned stmt)
{
	struct db_stmt *s = &p->stmts[stmt];

	if (s->shared && s->desc && !s->is_stale &&
	    unlikely(atomic_load_explicit(&s->shared->epoch, memory_order_relaxed) != s->epoch))
		db_stmt_stale(p, stmt);
}

void db_verify_flush(struct db_pool *p, uint64_t now_ns)
{
	for (unsigned i = 0; i < p->n_stmts && p->n_verify; i++) {
		struct db_stmt *s = &p->stmts[i];
		struct db_conn *c;

		if (!s->wants_verify)
			continue;
		c = db_pool_spare_for(p, s, now_ns);
		if (!c)
			continue;
		s->wants_verify = 0;
		p->n_verify--;
		if (s->is_stale)
			continue;
		s->is_verifying = 1;
		if (s->touches[0]) {
			c->is_touched = 1;
			db_reset_want(c);
		}
		if (db_conn_verify(c, i, now_ns))
			db_conn_close(c, now_ns);
	}
}

void db_verify_over(struct db_pool *p, unsigned stmt, const PGresult *res, uint64_t now_ns)
{
	struct db_stmt *s = &p->stmts[stmt];
	int is_known = PQresultStatus(res) == PGRES_COMMAND_OK;

	s->is_verifying = 0;
	s->verified_ns = now_ns;
	if (!s->desc || s->is_stale || !res)
		return;
	/* 42*: it does not parse any more; the description will say that better */
	if (is_known ? db_desc_shape(res) != s->desc->shape : db_error_class(res, "42"))
		db_verify_tell(p, stmt);
}

int db_verify_result(struct db_conn *c, struct db_entry *e, struct db_query *q)
{
	struct db_pool *p = c->pool;
	const struct db_stmt *s = &p->stmts[e->stmt];
	struct db_desc *d = e->desc;

	if (unlikely(c->fits[e->stmt] != d->id || p->conf.opts->pooler) && PQresultStatus(e->result) == PGRES_TUPLES_OK) {
		if (!db_desc_fits(d, e->result)) {
			if (s->desc == d)
				db_verify_tell(p, e->stmt);
			if (!e->is_write && !q->reran)
				return 0;
			/* done already, or the tables do not keep still: what came says itself what it is */
			q->desc = db_desc_of_result(e->result);
			return 1;
		}
		c->fits[e->stmt] = d->id;
	}
	q->desc = d;
	e->desc = NULL;
	return 1;
}

/* 0: nothing is known. */
static uint64_t sum_of(const struct db_pool *p, const struct shape *shared)
{
	uint64_t sum = 0, variant = 0;

	for (unsigned i = 0; i < p->n_stmts; i++)
		if (p->stmts[i].shared == shared) {
			variant++;
			if (p->stmts[i].desc)
				sum += digest_64(slice_of((const char *)&p->stmts[i].desc->shape, sizeof(uint64_t)), variant);
		}
	return sum;
}

void db_verify_publish(struct db_pool *p)
{
	const struct shape *last = NULL;

	for (unsigned i = 0; i < p->n_stmts; i++) {
		struct shape *shared = p->stmts[i].shared;

		if (shared && shared != last) {
			uint64_t sum = sum_of(p, shared);

			/* what is refused has no shape of its own: its older answers may stand in for it */
			if (sum)
				atomic_store(&shared->sum, sum);
		}
		last = shared;
	}
}
