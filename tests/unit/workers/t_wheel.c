#include "config.h"

#include <criterion/criterion.h>

#include "workers/wheel.h"

struct probe {
	struct wheel_timer t;
	struct wheel *w;
	int fired;
	struct probe *stops;
};

static void on_fire(struct wheel_timer *t)
{
	struct probe *p = CONTAINER_OF(t, struct probe, t);

	p->fired++;
	if (p->stops)
		wheel_stop(p->w, &p->stops->t);
}

static const uint64_t start = 1000 * 1000000ull, ms = 1000000ull;

static void add(struct wheel *w, struct probe *p, uint64_t after_ms)
{
	*p = (struct probe){.w = w};
	wheel_timer_init(&p->t, on_fire);
	wheel_start(w, &p->t, start + after_ms * ms);
}

Test(wheel, fires_behind_its_time_and_never_before)
{
	static const uint64_t delays[] = {0, 1, 9, 10, 11, 250, 5119, 5120, 5121, 60000, 3600000};

	for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
		struct wheel w;
		struct probe p;
		uint64_t now = start;

		wheel_init(&w, start);
		add(&w, &p, delays[i]);
		while (!p.fired) {
			now += 7 * ms;
			wheel_run(&w, now);
			if (now < start + delays[i] * ms)
				cr_assert_eq(p.fired, 0, "delay %lu fired at %lu", delays[i], (now - start) / ms);
			cr_assert_leq(now, start + (delays[i] + 40) * ms, "delay %lu is late", delays[i]);
		}
		cr_expect_eq(w.n, 0);
	}
}

Test(wheel, a_stopped_timer_does_not_fire)
{
	struct wheel w;
	struct probe p;

	wheel_init(&w, start);
	add(&w, &p, 50);
	wheel_stop(&w, &p.t);
	wheel_stop(&w, &p.t);
	wheel_run(&w, start + 1000 * ms);
	cr_expect_eq(p.fired, 0);
	cr_expect_eq(w.n, 0);
}

Test(wheel, a_callback_may_stop_a_neighbour_of_the_same_step)
{
	struct wheel w;
	struct probe a, b;

	wheel_init(&w, start);
	add(&w, &a, 20);
	add(&w, &b, 20);
	a.stops = &b;
	wheel_run(&w, start + 100 * ms);
	cr_expect_eq(a.fired, 1);
	cr_expect_eq(b.fired, 0);
	cr_expect_eq(w.n, 0);
}

Test(wheel, restarting_moves_the_deadline)
{
	struct wheel w;
	struct probe p;

	wheel_init(&w, start);
	add(&w, &p, 20);
	wheel_start(&w, &p.t, start + 500 * ms);
	wheel_run(&w, start + 400 * ms);
	cr_expect_eq(p.fired, 0);
	wheel_run(&w, start + 520 * ms);
	cr_expect_eq(p.fired, 1);
}

Test(wheel, a_loop_that_slept_long_still_fires_everything)
{
	struct wheel w;
	struct probe p[100];

	wheel_init(&w, start);
	for (unsigned i = 0; i < 100; i++)
		add(&w, &p[i], i * 97);
	wheel_run(&w, start + 60000 * ms);
	for (unsigned i = 0; i < 100; i++)
		cr_expect_eq(p[i].fired, 1, "timer %u", i);
}

Test(wheel, wait_is_short_enough)
{
	struct wheel w;
	struct probe p;

	wheel_init(&w, start);
	cr_expect_eq(wheel_wait(&w, start, 250 * ms), 250 * ms);
	add(&w, &p, 100);
	cr_expect_leq(wheel_wait(&w, start, 250 * ms), 111 * ms);
	cr_expect_geq(wheel_wait(&w, start, 250 * ms), 100 * ms);
}
