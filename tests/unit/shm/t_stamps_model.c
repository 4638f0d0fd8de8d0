/* The protocol of stamps.h and the rule of flight.h for joining, as a model whose every interleaving is visited
 * (sequential consistency, one tag, one key). A protocol is changed here first. The wrong ones are kept: a
 * model that does not find their faults proves nothing about ours.
 *
 * The database is a number that each commit raises. A reader's answer is wrong when it is less than what
 * had been acknowledged, or than what anybody had seen, before that reader began; an entry is stale for ever
 * when all is quiet and it would be served though the database is ahead. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_WRITERS 2
#define N_READERS 2
#define ORPHAN 0x80

enum fault { ACKED = 1, SEEN = 2, FOR_EVER = 4 };

/* What a writer does, in order. */
enum op { SET = 1, BUMP, SEND, WAIT, DEL, CLEAR, REPLY };
#define COMMIT SEND, WAIT

enum order { NO_STAMPS, INTENT_FIRST, GENERATION_FIRST };
/* UNQUIET: any that began under an intent, too. OR_LATER: SAME_AND_QUIET, or one that began after the reader did, whatever the
 * stamps; while one runs that began under an intent before, it waits for its end. */
enum join { ALONE, ANY, SAME_GENERATION, SAME_AND_QUIET, UNQUIET, OR_LATER };

struct config {
	const char *name;
	enum op ops[10];
	enum order order;
	enum join join;
	int n_writers;
	int n_reads[N_READERS];	/* one after the other */
	int one_worker;		/* both writers are one worker's */
	int counts;		/* … which counts its open writes */
	int may_die, may_abort;
	int settles_early;	/* orphans are settled while a dead one's backend runs */
	int no_epoch;		/* … or after another death */
	int faults;		/* expected */
};

enum backend { NONE, OPEN, COMMITTED, ABORTED };

struct writer {
	uint8_t pc, is_dead, backend, value, orphaned;
};

/* A reader is at: */
enum at {
	BEGIN, COPY, LOOK_1, LOOK_2, DROP, LOAD_1, LOAD_2, JOIN, QUERY, CHECK_1, CHECK_2, STORE, LAND, ANSWER, FOLLOW, DONE
};

struct reader {
	uint8_t at, reads, acked, seen;		/* the last two: when it began */
	uint8_t value, gen, intent, quiet;	/* of what it holds; loads */
	uint8_t has_flight, seq;
	uint8_t later;				/* the flight began after it did */
};

struct state {
	uint8_t db, gen, intent, acked, seen;
	uint8_t has_entry, entry_value, entry_gen;
	uint8_t flight, flight_seq, flight_gen, flight_value;	/* 0 none, 1 running, 2 ended */
	uint8_t flight_quiet;
	uint8_t monitor, epoch, epoch_then;
	uint8_t open[2];			/* a worker's open writes */
	struct writer w[N_WRITERS];
	struct reader r[N_READERS];
};

/* ---- the states seen, and those to go on from ---- */

/* Of a state that was seen 64 bits are kept: two of some millions are taken for one with odds of a millionth. */
struct search {
	const struct config *c;
	uint64_t *table;		/* 0: free */
	size_t cap, n;
	struct state *stack;
	size_t n_stack, cap_stack;
	int faults;
};

static uint64_t hash(const struct state *s)
{
	uint64_t h = sizeof(*s), words[(sizeof(*s) + 7) / 8] = {0};

	memcpy(words, s, sizeof(*s));
	for (size_t i = 0; i < sizeof(words) / 8; i++) {
		h = (h ^ words[i]) * 0xff51afd7ed558ccdull;
		h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
		h ^= h >> 33;
	}
	return h ? h : 1;
}

static int insert(struct search *x, uint64_t h)
{
	size_t i = h & (x->cap - 1);

	for (; x->table[i]; i = (i + 1) & (x->cap - 1))
		if (x->table[i] == h)
			return 0;
	x->table[i] = h;
	x->n++;
	return 1;
}

static void grow(struct search *x)
{
	struct search bigger = *x;

	bigger.cap *= 2;
	bigger.n = 0;
	bigger.table = calloc(bigger.cap, sizeof(*bigger.table));
	cr_assert(bigger.table);
	for (size_t i = 0; i < x->cap; i++)
		if (x->table[i])
			insert(&bigger, x->table[i]);
	free(x->table);
	*x = bigger;
}

static void push(struct search *x, const struct state *s)
{
	if (x->n * 2 > x->cap)
		grow(x);
	if (!insert(x, hash(s)))
		return;
	if (x->n_stack == x->cap_stack) {
		x->cap_stack = x->cap_stack ? x->cap_stack * 2 : 1024;
		x->stack = realloc(x->stack, x->cap_stack * sizeof(*x->stack));
		cr_assert(x->stack);
	}
	x->stack[x->n_stack++] = *s;
}

/* ---- writers, their backends, weird and the monitor ---- */

static uint8_t worker_of(const struct config *c, int i)
{
	return (uint8_t)(c->one_worker ? 0 : i);
}

static void writer_step(struct search *x, const struct state *from, int i)
{
	const struct config *c = x->c;
	struct state s = *from;
	struct writer *w = &s.w[i];
	uint8_t worker = worker_of(c, i), bit = (uint8_t)(1 << worker);

	if (c->ops[w->pc] == WAIT) {
		if (w->backend == OPEN)
			return;
		w->pc++;	/* waiting's end is nothing that others see */
	}
	switch (c->ops[w->pc]) {
	case SET:
		s.open[worker]++;
		s.intent |= bit;
		break;
	case BUMP:
		s.gen++;
		break;
	case SEND:
		w->backend = OPEN;
		break;
	case DEL:
		s.has_entry = s.entry_value = s.entry_gen = 0;
		break;
	case CLEAR:
		s.open[worker]--;
		if (!c->counts || !s.open[worker])
			s.intent &= (uint8_t)~bit;
		break;
	case REPLY:
		if (w->backend == COMMITTED && w->value > s.acked)
			s.acked = w->value;
		break;
	case WAIT:
	default:
		return;
	}
	w->pc++;
	push(x, &s);
}

static void backend_step(struct search *x, const struct state *from, int i)
{
	struct state s = *from;

	if (s.w[i].backend != OPEN)
		return;
	s.w[i].backend = COMMITTED;
	s.w[i].value = ++s.db;
	push(x, &s);
	if (x->c->may_abort || s.w[i].is_dead) {
		s = *from;
		s.w[i].backend = ABORTED;
		push(x, &s);
	}
}

/* Death; then weird: the epoch, the orphan bit, the number's bit. */
static void death_step(struct search *x, const struct state *from, int i)
{
	struct state s = *from;
	struct writer *w = &s.w[i];
	uint8_t bit = (uint8_t)(1 << worker_of(x->c, i));

	if (!x->c->may_die)
		return;
	if (!w->is_dead) {
		if (!x->c->ops[w->pc])
			return;
		w->is_dead = 1;
	} else if (w->orphaned == 0) {
		s.epoch++;
		w->orphaned = 1;
	} else if (w->orphaned == 1) {
		if (s.intent & bit)
			s.intent |= ORPHAN;
		w->orphaned = 2;
	} else if (w->orphaned == 2) {
		s.intent &= (uint8_t)~bit;
		w->orphaned = 3;
	} else {
		return;
	}
	push(x, &s);
}

static void monitor_step(struct search *x, const struct state *from)
{
	struct state s = *from;

	switch (s.monitor) {
	case 0:
		if (!(s.intent & ORPHAN))
			return;
		for (int i = 0; i < x->c->n_writers; i++)
			if (s.w[i].is_dead && s.w[i].backend == OPEN && !x->c->settles_early)
				return;
		s.epoch_then = s.epoch;
		s.monitor = 1;
		break;
	case 1:
		if (s.epoch == s.epoch_then || x->c->no_epoch) {
			s.gen++;
			s.monitor = 2;
		} else {
			s.monitor = 0;
		}
		break;
	case 2:
		s.intent &= (uint8_t)~ORPHAN;
		s.monitor = 3;
		break;
	default:
		if (s.epoch != s.epoch_then && !x->c->no_epoch)
			s.intent |= ORPHAN;
		s.monitor = 0;
		s.epoch_then = 0;
		break;
	}
	push(x, &s);
}

/* ---- readers ---- */

/* One of the two loads, in the order of the protocol. */
static void load(const struct config *c, const struct state *s, struct reader *r, int which)
{
	if ((which == 0) == (c->order == INTENT_FIRST))
		r->intent = s->intent != 0;
	else
		r->gen = s->gen;
}

static void join(const struct config *c, struct state *s, struct reader *r)
{
	int is_running = s->flight == 1, is_same = s->flight_gen == r->gen;

	if (c->join >= UNQUIET)
		is_same = is_same && r->quiet && s->flight_quiet;
	r->at = QUERY;
	/* a flight begins without an intent, or it is none */
	if (c->join == ALONE || (c->join == SAME_AND_QUIET && !r->quiet))
		return;
	if (is_running && (c->join == ANY || is_same || (c->join == OR_LATER && r->later) ||
			   (c->join == UNQUIET && !r->quiet && !s->flight_quiet))) {
		r->at = FOLLOW;
		r->seq = s->flight_seq;
		return;
	}
	s->flight = 1;
	s->flight_quiet = r->quiet;
	for (int i = 0; i < N_READERS && c->join == OR_LATER; i++)
		s->r[i].later = s->r[i].at != BEGIN && s->r[i].at != DONE;
	s->flight_seq = (uint8_t)((s->flight_seq + 1) & 7);
	s->flight_gen = r->gen;
	s->flight_value = 0;
	r->has_flight = 1;
	r->seq = s->flight_seq;
}

static void answer(struct search *x, struct state *s, int i)
{
	struct reader *r = &s->r[i];

	if (r->value < r->acked)
		x->faults |= ACKED;
	if (r->value < r->seen)
		x->faults |= SEEN;
	if (r->value > s->seen)
		s->seen = r->value;
	*r = (struct reader){.at = r->reads + 1 < x->c->n_reads[i] ? BEGIN : DONE, .reads = (uint8_t)(r->reads + 1)};
}

/* What can no longer matter is made equal: fewer states. */
static void forget(struct state *s, struct reader *r)
{
	int is_followed = 0;

	if (r->at == LOAD_1 || r->at == QUERY)
		r->value = 0;
	if (r->at != LOOK_2 && r->at != LOAD_2 && r->at != CHECK_1 && r->at != CHECK_2)
		r->intent = 0;
	if (r->at == LOAD_1 || r->at == LAND || r->at == ANSWER || r->at == FOLLOW)
		r->gen = r->quiet = 0;
	if (r->at == ANSWER)
		r->later = 0;
	if (r->at == STORE)
		r->quiet = 0;
	if (r->at == ANSWER)
		r->has_flight = r->seq = 0;
	for (int i = 0; i < N_READERS; i++)
		is_followed |= s->r[i].at == FOLLOW;
	if (s->flight == 2 && !is_followed)
		s->flight = s->flight_gen = s->flight_value = s->flight_quiet = 0;
}

static void reader_step(struct search *x, const struct state *from, int i)
{
	const struct config *c = x->c;
	struct state s = *from;
	struct reader *r = &s.r[i];
	uint8_t gen = r->gen;

	switch ((enum at)r->at) {
	case BEGIN:
		/* at once with the first look: beginning later only asks for more */
		r->acked = s.acked;
		r->seen = s.seen;
		/* fall through */
	case COPY:
		r->value = s.entry_value;
		r->quiet = s.entry_gen;		/* what the entry says, until it is judged */
		r->at = !s.has_entry ? (c->order ? LOAD_1 : QUERY) : c->order ? LOOK_1 : ANSWER;
		break;
	case LOOK_1:
		load(c, &s, r, 0);
		r->at = LOOK_2;
		break;
	case LOOK_2:
		load(c, &s, r, 1);
		r->at = !r->intent && r->gen == r->quiet ? ANSWER : DROP;
		break;
	case DROP:
		if (s.has_entry && s.entry_gen == r->quiet && s.entry_value == r->value)
			s.has_entry = s.entry_value = s.entry_gen = 0;
		r->at = LOAD_1;
		break;
	case LOAD_1:
		load(c, &s, r, 0);
		r->at = LOAD_2;
		break;
	case LOAD_2:
		load(c, &s, r, 1);
		r->quiet = !r->intent;
		r->at = JOIN;
		break;
	case JOIN:
		if (c->join == OR_LATER && !r->quiet && !r->later && s.flight == 1 && !s.flight_quiet)
			return;			/* it waits for its end */
		if (c->join == OR_LATER && !r->quiet) {
			struct state again = s;	/* it has waited, and looks once more */

			again.r[i].at = LOAD_1;
			forget(&again, &again.r[i]);
			push(x, &again);
		}
		if (c->join != ALONE) {	/* there may be no slot for a flight */
			struct state alone = s;

			alone.r[i].at = QUERY;
			forget(&alone, &alone.r[i]);
			push(x, &alone);
		}
		join(c, &s, r);
		break;
	case QUERY:
		r->value = s.db;
		r->at = c->order ? CHECK_1 : STORE;
		break;
	case CHECK_1:
	case CHECK_2:
		/* the loads again; what was loaded first is kept to be stored */
		load(c, &s, r, r->at == CHECK_2);
		if (r->intent || r->gen != gen)
			r->quiet = 0;
		r->gen = gen;
		r->at = r->at == CHECK_1 ? CHECK_2 : r->quiet ? STORE : r->has_flight ? LAND : ANSWER;
		break;
	case STORE:
		s.has_entry = 1;
		s.entry_value = r->value;
		s.entry_gen = r->gen;
		r->at = r->has_flight ? LAND : ANSWER;
		break;
	case LAND:
		if (r->has_flight && s.flight == 1 && s.flight_seq == r->seq) {
			s.flight = 2;
			s.flight_value = r->value;
		}
		r->at = ANSWER;
		break;
	case FOLLOW:
		if (s.flight_seq != r->seq) {
			*r = (struct reader){.at = COPY, .reads = r->reads, .acked = r->acked, .seen = r->seen,
					    .later = r->later};
		} else if (s.flight == 2) {
			r->value = s.flight_value;
			r->at = ANSWER;
		} else {
			return;
		}
		break;
	case ANSWER:
		answer(x, &s, i);
		break;
	case DONE:
		return;
	}
	forget(&s, r);
	push(x, &s);
}

/* ---- the search ---- */

static int is_quiet(const struct config *c, const struct state *s)
{
	for (int i = 0; i < c->n_writers; i++)
		if (s->w[i].backend == OPEN || (s->w[i].is_dead ? s->w[i].orphaned != 3 : c->ops[s->w[i].pc] != 0))
			return 0;
	for (int i = 0; i < N_READERS && c->n_reads[i]; i++)
		if (s->r[i].at != DONE)
			return 0;
	return s->monitor == 0 && !(s->intent & ORPHAN);
}

static void visit(struct search *x, const struct state *s)
{
	const struct config *c = x->c;

	if (is_quiet(c, s) && s->has_entry && s->entry_value < s->db &&
	    (!c->order || (!s->intent && s->entry_gen == s->gen)))
		x->faults |= FOR_EVER;
	for (int i = 0; i < c->n_writers; i++) {
		if (!s->w[i].is_dead)
			writer_step(x, s, i);
		backend_step(x, s, i);
		death_step(x, s, i);
	}
	for (int i = 0; i < N_READERS && c->n_reads[i]; i++)
		reader_step(x, s, i);
	monitor_step(x, s);
}

static size_t explore(const struct config *c, int *ret_faults)
{
	struct search x = {.c = c, .cap = 1 << 16};
	struct state s;

	x.table = calloc(x.cap, sizeof(*x.table));
	cr_assert(x.table);
	for (uint8_t has = 0; has < 2; has++) {
		memset(&s, 0, sizeof(s));
		s.has_entry = has;
		push(&x, &s);
	}
	while (x.n_stack) {
		s = x.stack[--x.n_stack];
		visit(&x, &s);
	}
	free(x.table);
	free(x.stack);
	*ret_faults = x.faults;
	return x.n;
}

#define OURS {SET, BUMP, COMMIT, BUMP, CLEAR, REPLY}

static void judge(const struct config *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int faults;
		size_t states = explore(&all[i], &faults);

		if (getenv("MODEL_VERBOSE"))
			printf("%s: %zu states, faults %d\n", all[i].name, states, faults);
		cr_expect(states > 100, "%s: %zu states", all[i].name, states);
		cr_expect(faults == all[i].faults, "%s: faults %d, expected %d (1 older than acknowledged, "
			  "2 older than seen, 4 stale for ever)", all[i].name, faults, all[i].faults);
	}
}

Test(stamps_model, protocols_of_one_and_two_writers, .timeout = 300)
{
	static const struct config all[] = {
	    {"commit, delete the key", {COMMIT, DEL, REPLY}, NO_STAMPS, ALONE, 1, {2, 2}, .faults = ACKED | SEEN | FOR_EVER},
	    {"commit, bump", {COMMIT, BUMP, REPLY}, INTENT_FIRST, ALONE, 1, {2, 2}, .faults = SEEN},
	    {"commit, bump; may die", {COMMIT, BUMP, REPLY}, INTENT_FIRST, ALONE, 1, {2, 2}, .may_die = 1,
	     .faults = SEEN | FOR_EVER},
	    {"bump, commit, bump", {BUMP, COMMIT, BUMP, REPLY}, INTENT_FIRST, ALONE, 1, {2, 2}, .faults = SEEN},
	    {"intent, commit, bump, clear", {SET, COMMIT, BUMP, CLEAR, REPLY}, INTENT_FIRST, ALONE, 1, {2, 2}, .faults = 0},
	    {"the same, the reader loads the generation first", {SET, COMMIT, BUMP, CLEAR, REPLY}, GENERATION_FIRST,
	     ALONE, 1, {2, 2}, .faults = SEEN},
	    {"ours", OURS, INTENT_FIRST, ALONE, 1, {2, 2}, .faults = 0},
	    {"ours, generation first", OURS, GENERATION_FIRST, ALONE, 1, {2, 2}, .faults = 0},
	    {"ours, rollbacks", OURS, INTENT_FIRST, ALONE, 2, {1, 2}, .may_abort = 1},
	    {"ours, generation first, two writers", OURS, GENERATION_FIRST, ALONE, 2, {1, 1}, .faults = 0},
	};

	judge(all, sizeof(all) / sizeof(all[0]));
}

Test(stamps_model, two_writes_of_one_worker, .timeout = 300)
{
	static const struct config all[] = {
	    {"a bit without a count", OURS, INTENT_FIRST, ALONE, 2, {1, 2}, .one_worker = 1, .faults = SEEN},
	    {"a bit with a count", OURS, INTENT_FIRST, ALONE, 2, {1, 2}, .one_worker = 1, .counts = 1},
	};

	judge(all, sizeof(all) / sizeof(all[0]));
}

Test(stamps_model, a_writer_dies, .timeout = 300)
{
	static const struct config all[] = {
	    {"orphans are settled when the backend is gone", OURS, INTENT_FIRST, ALONE, 1, {2, 2}, .may_die = 1},
	    {"orphans are settled at once", OURS, INTENT_FIRST, ALONE, 1, {2, 2}, .may_die = 1, .settles_early = 1,
	     .faults = SEEN | FOR_EVER},
	    {"two die", OURS, INTENT_FIRST, ALONE, 2, {1, 0}, .may_die = 1},
	    {"two die, the epoch is not looked at", OURS, INTENT_FIRST, ALONE, 2, {1, 0}, .may_die = 1, .no_epoch = 1,
	     .faults = FOR_EVER},
	};

	judge(all, sizeof(all) / sizeof(all[0]));
}

Test(stamps_model, who_may_follow_a_flight, .timeout = 300)
{
	static const struct config all[] = {
	    {"any flight", OURS, INTENT_FIRST, ANY, 1, {1, 2}, .faults = ACKED | SEEN},
	    {"one with equal generations", OURS, INTENT_FIRST, SAME_GENERATION, 1, {2, 2}, .faults = SEEN},
	    {"equal generations and no intent", OURS, INTENT_FIRST, SAME_AND_QUIET, 1, {2, 2}, .faults = 0},
	    {"the same, two writers", OURS, INTENT_FIRST, SAME_AND_QUIET, 2, {1, 1}, .may_abort = 1},
	    {"any that began under an intent", OURS, INTENT_FIRST, UNQUIET, 1, {2, 2}, .faults = SEEN},
	    {"or one that began later", OURS, INTENT_FIRST, OR_LATER, 1, {2, 2}, .faults = 0},
	    {"the same, two writers", OURS, INTENT_FIRST, OR_LATER, 2, {1, 1}, .may_abort = 1},
	    {"the same, a writer dies", OURS, INTENT_FIRST, OR_LATER, 1, {1, 2}, .may_die = 1},
	};

	judge(all, sizeof(all) / sizeof(all[0]));
}
