/* A slot holds the timers of every turn that ends in it; one that is due in a later turn stays until
 * the wheel has come round (5.12 s), which idle timeouts of an hour can afford. */
#include "config.h"

#include "workers/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_ns)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	for (unsigned i = 0; i < WHEEL_SLOTS / 64; i++)
		w->used[i] = 0;
	w->at = now_ns / WHEEL_STEP_NS;
	w->n = 0;
}

void wheel_timer_init(struct wheel_timer *t, void (*fn)(struct wheel_timer *))
{
	list_init(&t->node);
	t->due_ns = 0;
	t->fn = fn;
}

void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t due_ns)
{
	uint64_t step = due_ns / WHEEL_STEP_NS + 1;
	unsigned slot;

	if (step <= w->at)
		step = w->at + 1;
	slot = (unsigned)(step % WHEEL_SLOTS);
	if (t->due_ns)
		list_del(&t->node);
	else
		w->n++;
	t->due_ns = due_ns ? due_ns : 1;
	list_add_tail(&w->slots[slot], &t->node);
	w->used[slot / 64] |= 1ull << (slot % 64);
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	if (!t->due_ns)
		return;
	list_del(&t->node);
	t->due_ns = 0;
	w->n--;
}

static void run_slot(struct wheel *w, unsigned slot, uint64_t now_ns)
{
	struct list due;

	if (!(w->used[slot / 64] >> (slot % 64) & 1))
		return;
	list_init(&due);
	LIST_FOR_SAFE(l, next, &w->slots[slot])
		if (LIST_ENTRY(l, struct wheel_timer, node)->due_ns <= now_ns) {
			list_del(l);
			list_add_tail(&due, l);
		}
	if (list_is_empty(&w->slots[slot]))
		w->used[slot / 64] &= ~(1ull << (slot % 64));
	/* a callback may stop others that wait in `due`: always take the first */
	while (!list_is_empty(&due)) {
		struct wheel_timer *t = LIST_ENTRY(due.next, struct wheel_timer, node);

		list_del(&t->node);
		t->due_ns = 0;
		w->n--;
		t->fn(t);
	}
}

void wheel_run(struct wheel *w, uint64_t now_ns)
{
	uint64_t to = now_ns / WHEEL_STEP_NS;

	if (to - w->at > WHEEL_SLOTS)
		w->at = to - WHEEL_SLOTS;
	while (w->at < to) {
		w->at++;
		run_slot(w, (unsigned)(w->at % WHEEL_SLOTS), now_ns);
	}
}

uint64_t wheel_wait(const struct wheel *w, uint64_t now_ns, uint64_t max_ns)
{
	uint64_t limit = max_ns / WHEEL_STEP_NS;

	if (w->n == 0)
		return max_ns;
	for (uint64_t i = 1; i <= limit && i <= WHEEL_SLOTS; i++) {
		unsigned slot = (unsigned)((w->at + i) % WHEEL_SLOTS);

		if (w->used[slot / 64] >> (slot % 64) & 1) {
			uint64_t when = (w->at + i) * WHEEL_STEP_NS;

			return when > now_ns ? when - now_ns : 0;
		}
	}
	return max_ns;
}
