/* mc_rig: memcached processes of a test's own, an mc over them, and calls that wait for their answer.
 * Layer: tests/unit. */
#ifndef TESTS_UNIT_MC_RIG_H
#define TESTS_UNIT_MC_RIG_H

#include <sys/types.h>

#include "lib/mc/mc.h"
#include "lib/shm/breaker.h"

#define RIG_MAX 4u

struct rig {
	char dir[64];
	unsigned n;
	pid_t pid[RIG_MAX];		/* 0: none runs */
	struct breaker *breakers;	/* shared memory: they outlive a fork */
	struct mc_counters counters;
	struct mc_options o;
	struct mc *m;
};

/* What came back; value is a copy. */
struct got {
	int is_done;
	enum mc_result result;
	size_t n;
	char value[4096];
};

/* n real memcached processes on unix sockets, no mc yet. */
void rig_start(struct rig *r, unsigned n);
void rig_open(struct rig *r);
void rig_stop(struct rig *r);
void rig_node_start(struct rig *r, unsigned i);
void rig_node_kill(struct rig *r, unsigned i);
void rig_node_signal(struct rig *r, unsigned i, int sig);

/* The k-th key that lives on this node. */
struct mc_key rig_key(struct rig *r, unsigned node, unsigned k);
mc_done_f rig_done;		/* arg: struct got */
/* Flush, and poll until n answers have come; 0 if they do not within 10 s. */
int rig_wait(struct rig *r, struct got *got, unsigned n);
struct got rig_get(struct rig *r, const struct mc_key *key);
struct got rig_add(struct rig *r, const struct mc_key *key, const char *token);
struct got rig_delete(struct rig *r, const struct mc_key *key);
/* Store and read until it is there. 0 if it does not come. */
int rig_set(struct rig *r, const struct mc_key *key, const char *value);
#define RIG_COUNT(r, what) ((unsigned long)atomic_load(&(r)->counters.what))

/* A server in a process of its own, on node i's socket, that gives each connection to serve. */
void rig_fake_start(struct rig *r, unsigned i, void (*serve)(int fd));

#endif
