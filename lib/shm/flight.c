/* The control word, from the top: sequence 28 · tag of the hash 12 · incarnation 10 · owner's number 7 ·
 * state 3 · end 3 · 1 spare. The sequence grows whenever the slot gets another flight, so a reference
 * to an old one is known as such; 0 is a slot never used. All accesses are seq_cst: a follower sets its
 * bit and then looks at the word, who finishes changes the word and then takes the mask. */
#include "config.h"

#include "lib/shm/flight.h"

#define WINDOW 8u
#define PATIENCE 2000u		/* looks at a slot that is being written */
#define RETRIES 64u

_Static_assert(sizeof(struct flight) == WEIR_CACHE_LINE, "a flight is one line");

enum state { FREE, BUSY, RUNNING, ENDED };

#define SEQ(c) ((uint32_t)((c) >> 36))
#define SEQ_MASK 0xfffffffu
#define TAG(c) ((unsigned)((c) >> 24) & 0xfff)
#define INCARNATION(c) ((unsigned)((c) >> 14) & 0x3ff)
#define NUMBER(c) ((unsigned)((c) >> 7) & 0x7f)
#define STATE(c) ((enum state)((c) >> 4 & 7))
#define END(c) ((enum flight_end)((c) >> 1 & 7))

static uint64_t pack(uint32_t seq, unsigned tag, unsigned incarnation, unsigned number, enum state state, unsigned end)
{
	return (uint64_t)(seq & SEQ_MASK) << 36 | (uint64_t)(tag & 0xfff) << 24 |
	       (uint64_t)(incarnation & 0x3ff) << 14 | (uint64_t)(number & 0x7f) << 7 | (uint64_t)state << 4 |
	       (uint64_t)end << 1;
}

static uint64_t with_state(uint64_t ctl, enum state state, unsigned end)
{
	return pack(SEQ(ctl), TAG(ctl), INCARNATION(ctl), NUMBER(ctl), state, end);
}

static unsigned tag_of(const uint64_t h[2])
{
	return (unsigned)(h[1] >> 52);
}

static unsigned incarnation_of(const struct flights *f, unsigned number)
{
	return f->incarnation ? f->incarnation(f->arg, number) & 0x3ff : 0;
}

static int is_owner_alive(const struct flights *f, uint64_t ctl)
{
	return incarnation_of(f, NUMBER(ctl)) == INCARNATION(ctl);
}

size_t flights_size(uint32_t n)
{
	return n * sizeof(struct flight);
}

static void add_to_mask(struct flight *x, unsigned number)
{
	atomic_fetch_or(&x->mask[number / 64 & 1], 1ull << (number % 64));
}

static void take_mask(struct flight *x, uint64_t mask[2])
{
	for (unsigned i = 0; i < 2; i++)
		mask[i] |= atomic_exchange(&x->mask[i], 0);
}

/* The word, once nobody alive is writing the slot; or BUSY still, after some patience. */
static uint64_t settled(const struct flights *f, struct flight *x)
{
	uint64_t ctl = atomic_load(&x->ctl);

	for (unsigned i = 0; i < PATIENCE && STATE(ctl) == BUSY && is_owner_alive(f, ctl); i++)
		ctl = atomic_load(&x->ctl);
	return ctl;
}

/* What one slot of the window is to a key. */
struct sight {
	struct flight *x;
	uint64_t ctl;
	enum { OTHER, USABLE, MATCH } kind;
};

static struct sight sight_of(const struct flights *f, uint32_t index, const uint64_t h[2], uint64_t now_ms)
{
	struct sight s = {.x = &f->v[index]};
	int is_equal, is_over;

	s.ctl = atomic_load(&s.x->ctl);
	if (STATE(s.ctl) == BUSY && TAG(s.ctl) == tag_of(h))
		s.ctl = settled(f, s.x);
	if (STATE(s.ctl) == FREE || STATE(s.ctl) > ENDED) {
		s.kind = USABLE;
		return s;
	}
	is_equal = TAG(s.ctl) == tag_of(h) && atomic_load(&s.x->h[0]) == h[0] && atomic_load(&s.x->h[1]) == h[1];
	is_over = STATE(s.ctl) == ENDED ? atomic_load(&s.x->until_ms) <= now_ms : !is_owner_alive(f, s.ctl);
	/* BUSY beyond patience: its key is not known, so it is taken for ours, and we fly alone */
	if (STATE(s.ctl) == BUSY && !is_over)
		s.kind = TAG(s.ctl) == tag_of(h) ? MATCH : OTHER;
	else
		s.kind = is_over ? USABLE : is_equal ? MATCH : OTHER;
	return s;
}

/* What is kept of stamps: those of a flight under an intent equal nobody's. */
static uint64_t digest_of(uint64_t digest, int quiet)
{
	return quiet ? digest | 1 : 0;
}

/* Become the owner; 0, or -1: somebody was faster. */
static int claim(const struct flights *f, const struct sight *s, const struct flight_ask *ask, struct flight_ref *ret)
{
	uint64_t was = s->ctl;
	uint64_t mine = pack(SEQ(was) + 1, tag_of(ask->h), incarnation_of(f, ask->number), ask->number, BUSY, 0);

	if (!atomic_compare_exchange_strong(&s->x->ctl, &was, mine))
		return -1;
	atomic_store(&s->x->h[0], ask->h[0]);
	atomic_store(&s->x->h[1], ask->h[1]);
	atomic_store(&s->x->digest, digest_of(ask->digest, ask->quiet));
	atomic_store(&s->x->until_ms, ask->now_ns);
	atomic_store(&s->x->ctl, with_state(mine, RUNNING, 0));
	*ret = (struct flight_ref){(uint32_t)(s->x - f->v), SEQ(mine)};
	return 0;
}

/* -1: it changed meanwhile. */
static int wait_for(const struct sight *s, unsigned number, enum flight_role role, const struct flights *f, struct flight_ref *ret)
{
	add_to_mask(s->x, number);
	if (atomic_load(&s->x->ctl) != s->ctl)
		return -1;
	*ret = (struct flight_ref){(uint32_t)(s->x - f->v), SEQ(s->ctl)};
	return (int)role;
}

/* A flight of the key: follow it, be told its end, replace it, or pass. -1: it changed meanwhile, or (then
 * *ret_usable) it is to be replaced. */
static int meet(const struct flights *f, const struct sight *s, const struct flight_ask *ask, struct flight_ref *ret,
		unsigned *ret_error, int *ret_usable)
{
	uint64_t theirs = atomic_load(&s->x->digest), begun_ns = atomic_load(&s->x->until_ms);
	unsigned error = atomic_load(&s->x->error);
	int is_same;

	if (atomic_load(&s->x->ctl) != s->ctl)
		return -1;
	is_same = ask->quiet && theirs == digest_of(ask->digest, ask->quiet);
	if (STATE(s->ctl) == ENDED && END(s->ctl) == FLIGHT_ERROR && ask->can_follow) {
		*ret_error = error;
		*ret = (struct flight_ref){(uint32_t)(s->x - f->v), SEQ(s->ctl)};
		*ret_usable = !is_same;
		return is_same ? (int)FLIGHT_FAILED : -1;
	}
	if (STATE(s->ctl) == ENDED && END(s->ctl) != FLIGHT_ERROR && (!ask->can_follow || theirs != ask->first)) {
		*ret_usable = 1;
		return -1;
	}
	if (STATE(s->ctl) != RUNNING)
		return FLIGHT_PASS;
	if (is_same || begun_ns > ask->arrived_ns)
		return ask->can_follow ? wait_for(s, ask->number, FLIGHT_FOLLOW, f, ret) : (int)FLIGHT_PASS;
	if (!ask->quiet && !theirs)
		return wait_for(s, ask->number, FLIGHT_WAIT, f, ret);
	*ret_usable = 1;
	return -1;
}

enum flight_role flight_join(const struct flights *f, const struct flight_ask *ask, struct flight_ref *ret, unsigned *ret_error)
{
	if (!ask->quiet && !ask->can_follow)
		return FLIGHT_PASS;
	for (unsigned tries = 0; f->n && tries < RETRIES; tries++) {
		struct sight place = {.x = NULL}, memory = {.x = NULL};
		int role = -1, is_moving = 0;

		for (uint32_t i = 0; i < WINDOW; i++) {
			struct sight s = sight_of(f, (uint32_t)(ask->h[0] + i) & (f->n - 1), ask->h, ask->now_ms);
			int usable = 0;

			if (s.kind == USABLE && !place.x)
				place = s;
			if (s.kind == OTHER && STATE(s.ctl) == ENDED && !memory.x)
				memory = s;
			if (s.kind != MATCH)
				continue;
			role = meet(f, &s, ask, ret, ret_error, &usable);
			if (role >= 0)
				return (enum flight_role)role;
			is_moving = !usable;
			place = s;
			break;
		}
		if (is_moving)
			continue;
		if (!place.x)
			place = memory;
		if (!place.x)
			return FLIGHT_PASS;
		if (claim(f, &place, ask, ret) == 0)
			return FLIGHT_OWN;
	}
	return FLIGHT_PASS;
}

int flight_owner(const struct flights *f, struct flight_ref ref)
{
	uint64_t ctl = atomic_load(&f->v[ref.index & (f->n - 1)].ctl);

	return SEQ(ctl) == ref.seq && STATE(ctl) == RUNNING ? (int)NUMBER(ctl) : -1;
}

int flight_is_awaited(const struct flights *f, struct flight_ref ref)
{
	struct flight *x = &f->v[ref.index & (f->n - 1)];

	return SEQ(atomic_load(&x->ctl)) == ref.seq && (atomic_load(&x->mask[0]) | atomic_load(&x->mask[1])) != 0;
}

void flight_finish(const struct flights *f, struct flight_ref ref, unsigned number, const struct flight_outcome *o, uint64_t mask[2])
{
	struct flight *x = &f->v[ref.index & (f->n - 1)];
	uint64_t ctl = atomic_load(&x->ctl);
	int is_kept = o->end == FLIGHT_ERROR || o->end == FLIGHT_UNCACHEABLE || o->end == FLIGHT_TOO_BIG;

	mask[0] = mask[1] = 0;
	if (SEQ(ctl) != ref.seq || STATE(ctl) != RUNNING || NUMBER(ctl) != number ||
	    !atomic_compare_exchange_strong(&x->ctl, &ctl, with_state(ctl, BUSY, 0)))
		return;
	atomic_store(&x->error, o->error);
	atomic_store(&x->digest, o->end == FLIGHT_UNCACHEABLE || o->end == FLIGHT_TOO_BIG ? o->first : digest_of(o->digest, o->quiet));
	atomic_store(&x->until_ms, is_kept ? o->now_ms + o->keep_ms : 0);
	atomic_store(&x->ctl, with_state(ctl, ENDED, o->end));
	take_mask(x, mask);
}

void flight_forget(const struct flights *f, const uint64_t h[2])
{
	for (uint32_t i = 0; i < (f->n ? WINDOW : 0); i++) {
		struct flight *x = &f->v[(uint32_t)(h[0] + i) & (f->n - 1)];
		uint64_t ctl = atomic_load(&x->ctl);

		/* what is in the place now is of the same word: of this key, or (then it costs a query) changed meanwhile */
		if (STATE(ctl) == ENDED && END(ctl) != FLIGHT_ERROR && TAG(ctl) == tag_of(h) && atomic_load(&x->h[0]) == h[0] &&
		    atomic_load(&x->h[1]) == h[1])
			atomic_compare_exchange_strong(&x->ctl, &ctl, pack(SEQ(ctl) + 1, 0, 0, 0, FREE, 0));
	}
}

enum flight_view flight_look(const struct flights *f, struct flight_ref ref, enum flight_end *ret_end, unsigned *ret_error)
{
	struct flight *x = &f->v[ref.index & (f->n - 1)];
	uint64_t ctl = atomic_load(&x->ctl);
	unsigned error;

	if (SEQ(ctl) != ref.seq)
		return FLIGHT_VOID;
	if (STATE(ctl) == RUNNING || STATE(ctl) == BUSY)
		return is_owner_alive(f, ctl) ? FLIGHT_RUNNING : FLIGHT_VOID;
	if (STATE(ctl) != ENDED)
		return FLIGHT_VOID;
	error = atomic_load(&x->error);
	if (atomic_load(&x->ctl) != ctl)
		return FLIGHT_VOID;
	*ret_end = END(ctl);
	*ret_error = error;
	return FLIGHT_ENDED;
}

void flights_void(const struct flights *f, unsigned number, uint64_t mask[2])
{
	mask[0] = mask[1] = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		struct flight *x = &f->v[i];
		uint64_t ctl = atomic_load(&x->ctl);

		if (STATE(ctl) == FREE || NUMBER(ctl) != number)
			continue;
		if (STATE(ctl) == ENDED)
			take_mask(x, mask);	/* it may have died before it did */
		else if (atomic_compare_exchange_strong(&x->ctl, &ctl, pack(SEQ(ctl) + 1, 0, 0, 0, FREE, 0)))
			take_mask(x, mask);
	}
}
