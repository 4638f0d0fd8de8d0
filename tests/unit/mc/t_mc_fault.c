/* Nodes that hang, die, come back, are slow, or are no memcached at all. What is judged is how many calls
 * reached the wire, which values came back, and that every call is answered. */
#include "config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/unit/mc/mc_rig.h"

static struct mc_key filled(struct rig *r, unsigned node, const char *value)
{
	struct mc_key k = rig_key(r, node, 0);

	cr_assert(rig_set(r, &k, value), "node %u does not keep a value", node);
	return k;
}

static int is(const struct got *g, const char *value)
{
	return g->result == MC_OK && slice_eq(slice_of(g->value, g->n), slice_str(value));
}

/* Ask until it answers with the value again; how long that took. */
static uint64_t back_ms(struct rig *r, const struct mc_key *k, enum mc_result wanted)
{
	uint64_t from = clock_mono_ns();
	struct got g;

	do {
		g = rig_get(r, k);
		if (g.result == MC_OFF)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	} while (g.result != wanted && clock_mono_ns() < from + 40 * CLOCK_S);
	cr_assert_eq(g.result, wanted, "it does not come back");
	return (clock_mono_ns() - from) / CLOCK_MS;
}

static int await(const _Atomic uint64_t *counter, uint64_t at_least)
{
	uint64_t until = clock_mono_ns() + 20 * CLOCK_S;

	while (atomic_load(counter) < at_least && clock_mono_ns() < until)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return atomic_load(counter) >= at_least;
}

Test(mc_fault, a_hung_node_is_asked_three_times_and_then_left_alone)
{
	struct rig r;
	struct mc_key k[3];
	unsigned long before;

	rig_start(&r, 3);
	rig_open(&r);
	for (unsigned i = 0; i < 3; i++)
		k[i] = filled(&r, i, "kept");
	rig_node_signal(&r, 0, SIGSTOP);
	before = RIG_COUNT(&r, batches);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(rig_get(&r, &k[0]).result, MC_TIMEOUT);
	for (unsigned i = 0; i < 200; i++)
		cr_expect_eq(rig_get(&r, &k[0]).result, MC_OFF);
	cr_expect_eq(RIG_COUNT(&r, batches) - before, 3);
	for (unsigned i = 1; i < 3; i++) {
		struct got g = rig_get(&r, &k[i]);

		cr_expect(is(&g, "kept"), "node %u suffers", i);
	}
	rig_node_signal(&r, 0, SIGCONT);
	(void)back_ms(&r, &k[0], MC_OK);
	cr_expect(RIG_COUNT(&r, probes) >= 1);
	rig_stop(&r);
}

Test(mc_fault, what_the_others_answer_in_the_same_tick_is_not_lost)
{
	struct rig r;
	struct mc_key k[3];
	struct got got[3] = {0};

	rig_start(&r, 3);
	rig_open(&r);
	for (unsigned i = 0; i < 3; i++)
		k[i] = filled(&r, i, "kept");
	rig_node_signal(&r, 1, SIGSTOP);
	for (unsigned i = 0; i < 3; i++)
		(void)mc_get(r.m, &k[i], 0, rig_done, &got[i]);
	cr_assert(rig_wait(&r, got, 3));
	cr_expect(is(&got[0], "kept") && is(&got[2], "kept"));
	cr_expect_eq(got[1].result, MC_TIMEOUT);
	rig_stop(&r);
}

Test(mc_fault, workers_share_what_they_learn_of_a_node)
{
	enum { WORKERS = 4 };
	struct rig r;
	struct mc_key k;
	_Atomic uint32_t *sum = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	rig_start(&r, 1);
	rig_open(&r);
	k = rig_key(&r, 0, 0);
	mc_close(&r.m);
	rig_node_signal(&r, 0, SIGSTOP);
	for (unsigned w = 0; w < WORKERS; w++) {
		if (fork() == 0) {
			r.o.number = w;
			rig_open(&r);
			/* More than the time to the first probe would let the next three through: stay below it. */
			for (unsigned i = 0; i < 50; i++)
				(void)rig_get(&r, &k);
			atomic_fetch_add(sum, (uint32_t)RIG_COUNT(&r, batches));
			mc_close(&r.m);
			_exit(0);
		}
	}
	for (unsigned w = 0; w < WORKERS; w++)
		cr_assert(waitpid(0, NULL, 0) > 0);
	cr_expect(atomic_load(sum) >= 3 && atomic_load(sum) <= 3 * WORKERS, "%u calls waited", atomic_load(sum));
	cr_expect(atomic_load(&r.breakers[0].opened) == 1);
	munmap(sum, 4096);
	rig_stop(&r);
}

Test(mc_fault, a_killed_and_restarted_node_is_back_within_two_seconds)
{
	struct rig r;
	struct mc_key k;
	uint64_t ms;

	rig_start(&r, 3);
	rig_open(&r);
	k = filled(&r, 2, "lost");
	rig_node_kill(&r, 2);
	for (unsigned i = 0; i < 5; i++) {
		enum mc_result got = rig_get(&r, &k).result;

		cr_expect(got == MC_ERROR || got == MC_OFF, "%d", got);
	}
	rig_node_start(&r, 2);
	ms = back_ms(&r, &k, MC_MISS);
	cr_expect(ms <= 2000, "%lu ms", (unsigned long)ms);
	cr_expect(rig_set(&r, &k, "again"));
	rig_stop(&r);
}

Test(mc_fault, one_that_was_away_for_long_is_back_as_soon, .timeout = 60)
{
	struct rig r;
	struct mc_key k;
	uint64_t ms;

	rig_start(&r, 1);
	rig_open(&r);
	k = filled(&r, 0, "lost");
	rig_node_kill(&r, 0);
	for (unsigned i = 0; i < 3; i++)
		(void)rig_get(&r, &k);
	cr_assert(await(&r.counters.probes, 4), "nobody probes without traffic");
	rig_node_start(&r, 0);
	ms = back_ms(&r, &k, MC_MISS);
	cr_expect(ms <= 2000, "%lu ms", (unsigned long)ms);
	rig_stop(&r);
}

Test(mc_fault, a_delete_that_did_not_arrive_is_told_and_the_old_value_is_still_whole)
{
	struct rig r;
	struct mc_key k;
	struct got g;

	rig_start(&r, 1);
	rig_open(&r);
	k = filled(&r, 0, "old");
	rig_node_signal(&r, 0, SIGSTOP);
	for (unsigned i = 0; i < 3; i++)
		(void)rig_get(&r, &k);
	cr_expect_eq(rig_delete(&r, &k).result, MC_OFF);
	cr_expect_eq(RIG_COUNT(&r, deletes_failed), 1);
	rig_node_signal(&r, 0, SIGCONT);
	(void)back_ms(&r, &k, MC_OK);
	g = rig_get(&r, &k);
	cr_expect(is(&g, "old"), "the node is back with old data: xmin is what refuses it");
	rig_stop(&r);
}

/* Stops at random while gets and sets go on: a wrong value must never come. */
Test(mc_fault, timeouts_in_mid_stream_give_no_wrong_values, .timeout = 120)
{
	enum { KEYS = 60, ROUNDS = 1500 };
	struct rig r;
	struct mc_key k[KEYS];
	struct got *got = calloc(KEYS, sizeof(*got));
	unsigned long hits = 0, wrong = 0;
	int status;
	pid_t stopper;

	rig_start(&r, 2);
	rig_open(&r);
	for (unsigned i = 0; i < KEYS; i++)
		k[i] = rig_key(&r, i % 2, i);
	stopper = fork();
	if (stopper == 0) {
		for (unsigned x = 1;; x = x * 1103515245 + 12345) {
			kill(r.pid[x >> 16 & 1], SIGSTOP);
			usleep(x % 25000);
			kill(r.pid[0], SIGCONT);
			kill(r.pid[1], SIGCONT);
			usleep(x % 6000);
		}
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < KEYS; i++) {
			char text[2000];

			memset(text, 'a' + (int)(i % 26), sizeof(text));
			memcpy(text, k[i].text, 31);
			if (round % 4 == 0)
				(void)mc_set(r.m, &k[i], slice_of(text, 1000 + i), 60);
			got[i].is_done = 0;
			(void)mc_get(r.m, &k[i], 0, rig_done, &got[i]);
		}
		/* Otherwise the breaker, and not the traffic, would be tested. */
		breaker_set_force(&r.breakers[0], BREAKER_FORCED_CLOSED, 1);
		breaker_set_force(&r.breakers[1], BREAKER_FORCED_CLOSED, 1);
		cr_assert(rig_wait(&r, got, KEYS));
		for (unsigned i = 0; i < KEYS; i++) {
			if (got[i].result != MC_OK)
				continue;
			hits++;
			wrong += got[i].n != 1000 + i || memcmp(got[i].value, k[i].text, 31) != 0;
		}
	}
	kill(stopper, SIGKILL);
	waitpid(stopper, &status, 0);
	kill(r.pid[0], SIGCONT);
	kill(r.pid[1], SIGCONT);
	cr_expect_eq(wrong, 0);
	cr_expect(hits > 1000 && RIG_COUNT(&r, timeouts) > 0, "%lu hits, %lu timeouts", hits, RIG_COUNT(&r, timeouts));
	rig_stop(&r);
	free(got);
}

/* ---- servers that are none */

static size_t read_line(int fd, char *line, size_t room)
{
	size_t n = 0;

	while (n < room - 1) {
		if (read(fd, line + n, 1) != 1)
			_exit(0);
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return n;
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(0);
}

/* One answer is not here, because nothing outside the library can fence it: "VERSION" without a blank anywhere
 * behind it makes libmemcached 1.1.4 read through NULL (textual_read_one_response). */
static const char *const rubbish[] = {
	"\r\n", "\n\n\n\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n", "END\r\nEND\r\nEND\r\n", "OK\r\n", "STORED\r\n",
	"DELETED\r\n", "NOT_FOUND\r\n", "EXISTS\r\n", "NOT_STORED\r\n", "VALUE\r\n", "VALUE \r\n", "VALUE x\r\n", "VALUE x 0\r\n",
	"VALUE x 0 -1\r\n", "VALUE x 0 99999999999999999999\r\nEND\r\n", "VALUE x 0 4294967295\r\nabc\r\nEND\r\n",
	"VALUE x 0 3\r\nabcdefgh\r\nEND\r\n", "VALUE x 0 18446744073709551615\r\n", "VALUE x 99999999999 0\r\n\r\nEND\r\n",
	"STAT a b\r\nEND\r\n", "ITEM a [1 b; 2 s]\r\nEND\r\n", "SERVER_ERROR out of memory\r\n", "SERVER_ERROR\r\n", "CLIENT_ERROR bad\r\n",
	"ERROR\r\n", "VERSION 1\r\n", "VERSION 999999999999.1.1\r\n", "TOUCHED\r\n", "12345\r\n", "HD\r\n", "VA 3\r\nabc\r\n",
	"\x81\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", "VALUE",
	"VALUE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0 1\r\na\r\nEND\r\n",
};
static _Atomic uint32_t *turn;	/* shared: the next rubbish, over all connections */

/* Each command gets the next of the list; "version" a true answer, so that probes close the breaker. */
static void serve_rubbish(int fd)
{
	char line[8192];

	for (;;) {
		(void)read_line(fd, line, sizeof(line));
		if (strncmp(line, "version", 7) == 0)
			say(fd, "VERSION 1.6.18\r\n");
		else
			say(fd, rubbish[atomic_fetch_add(turn, 1) % ARRAY_LEN(rubbish)]);
	}
}

Test(mc_fault, rubbish_is_a_miss_or_an_error_and_never_the_end, .timeout = 120)
{
	struct rig r;
	struct mc_key k;

	turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rig_start(&r, 1);
	rig_fake_start(&r, 0, serve_rubbish);
	rig_open(&r);
	k = rig_key(&r, 0, 0);
	breaker_set_force(&r.breakers[0], BREAKER_FORCED_CLOSED, 1);
	/* Each kind of call meets each of them, also the ones that an earlier answer left in the way. */
	for (unsigned i = 0; i < 5 * ARRAY_LEN(rubbish); i++) {
		struct got get = rig_get(&r, &k), add, del;

		cr_expect(get.result != MC_OK, "\"%.*s\" is no value", (int)get.n, get.value);
		add = rig_add(&r, &k, "token");
		cr_expect(add.result != MC_OK);
		del = rig_delete(&r, &k);
		cr_expect(del.is_done);
		(void)mc_set(r.m, &k, SLICE("value"), 60);
	}
	rig_stop(&r);
	munmap((void *)(uintptr_t)turn, 4096);
}

static void serve_foreign_key(int fd)
{
	char line[8192];

	for (;;) {
		(void)read_line(fd, line, sizeof(line));
		if (strncmp(line, "version", 7) == 0)
			say(fd, "VERSION 1.6.18\r\n");
		else
			say(fd, "VALUE w1:00000000000000000000000000000bad 0 6\r\nforged\r\nEND\r\n");
	}
}

Test(mc_fault, a_value_of_a_key_that_was_not_asked_for_is_nobodys)
{
	struct rig r;
	struct mc_key k;

	rig_start(&r, 1);
	rig_fake_start(&r, 0, serve_foreign_key);
	rig_open(&r);
	k = rig_key(&r, 0, 0);
	cr_expect_neq(rig_get(&r, &k).result, MC_OK);
	cr_expect_eq(RIG_COUNT(&r, corrupt), 1);
	rig_stop(&r);
}

static void serve_slowly(int fd)
{
	char line[8192];

	for (;;) {
		(void)read_line(fd, line, sizeof(line));
		if (strncmp(line, "version", 7) != 0)
			usleep(100000);
		say(fd, strncmp(line, "version", 7) == 0 ? "VERSION 1.6.18\r\n" : "END\r\n");
	}
}

Test(mc_fault, a_slow_server_is_left_alone_longer_each_time)
{
	struct rig r;
	struct mc_key k;
	uint64_t from = clock_mono_ns();

	rig_start(&r, 1);
	rig_fake_start(&r, 0, serve_slowly);
	rig_open(&r);
	k = rig_key(&r, 0, 0);
	/* It answers every probe, and no get in time. */
	while (atomic_load(&r.breakers[0].opened) < 3 && clock_mono_ns() < from + 20 * CLOCK_S)
		(void)rig_get(&r, &k);
	cr_expect_eq(RIG_COUNT(&r, timeouts), 9);
	cr_expect(clock_mono_ns() - from >= (800 + 1600) * CLOCK_MS, "1 s, then 2 s");
	rig_stop(&r);
}

/* A byte every 5 ms: no single wait is too long, and it would take hours. */
static void serve_drops(int fd)
{
	char line[8192], answer[200];

	for (;;) {
		(void)read_line(fd, line, sizeof(line));
		if (strncmp(line, "version", 7) == 0) {
			say(fd, "VERSION 1.6.18\r\n");
			continue;
		}
		snprintf(answer, sizeof(answer), "VALUE %.35s 0 900000\r\n", line + 4);
		say(fd, answer);
		for (;;) {
			say(fd, "x");
			usleep(5000);
		}
	}
}

Test(mc_fault, a_trickle_costs_the_thread_but_not_the_others, .timeout = 60)
{
	struct rig r;
	struct got drip = {0};
	struct mc_key k[2];
	unsigned long before;

	rig_start(&r, 2);
	rig_fake_start(&r, 0, serve_drops);
	r.o.poll_timeout_ms = 200;	/* no pause between drops is that long, on a busy machine either */
	rig_open(&r);
	k[1] = filled(&r, 1, "kept");
	k[0] = rig_key(&r, 0, 0);
	before = RIG_COUNT(&r, batches);
	(void)mc_get(r.m, &k[0], 0, rig_done, &drip);
	mc_flush(r.m);
	/* Alone in its batch: what is in the stuck thread's hands is its caller's to cancel. */
	cr_assert(await(&r.counters.batches, before + 1));
	for (unsigned i = 0; i < 50; i++) {
		struct got g = rig_get(&r, &k[1]);

		cr_expect(is(&g, "kept"));
	}
	cr_expect_eq(RIG_COUNT(&r, stuck), 1);
	cr_expect_eq(rig_get(&r, &k[0]).result, MC_OFF, "its breaker is open");
	rig_node_kill(&r, 0);
	rig_stop(&r);
}
