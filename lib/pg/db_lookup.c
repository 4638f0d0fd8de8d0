/* Names of hosts. getaddrinfo cannot be given a deadline nor be broken off, and with a name server that is silent it
 * takes half a minute; so it has a thread of its own, of which there is one for a name at a time, and whoever asks
 * waits for it no longer than it may. */
#include "config.h"

#include "lib/pg/db_lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"

struct lookup {
	struct list node;	/* in under_way, until it is done */
	char host[256];
	unsigned refs;		/* its thread, and those who wait */
	int is_done, rc;
	pthread_cond_t done;
	struct db_addresses found;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list under_way = LIST_INIT(under_way);

static int resolve(const char *host, int flags, struct db_addresses *found)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *all = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &all);

	found->n = 0;
	for (struct addrinfo *a = all; rc == 0 && a && found->n < DB_MAX_ADDRESSES; a = a->ai_next)
		if (getnameinfo(a->ai_addr, a->ai_addrlen, found->text[found->n], sizeof(found->text[0]), NULL, 0,
				NI_NUMERICHOST) == 0)
			found->n++;
	if (all)
		freeaddrinfo(all);
	return rc;
}

/* Under the lock. */
static void drop(struct lookup *l)
{
	if (--l->refs)
		return;
	pthread_cond_destroy(&l->done);
	free(l);
}

static void *run(void *arg)
{
	struct lookup *l = arg;
	struct db_addresses found;
	int rc = resolve(l->host, 0, &found);	/* nobody changes the name */

	pthread_mutex_lock(&lock);
	l->found = found;
	l->rc = rc;
	l->is_done = 1;
	list_del(&l->node);
	pthread_cond_broadcast(&l->done);
	drop(l);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Under the lock. NULL: there can be no thread. */
static struct lookup *begin(const char *host)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	pthread_attr_t detached;
	pthread_t thread;
	int rc;

	if (!l)
		abort();
	snprintf(l->host, sizeof(l->host), "%s", host);
	l->refs = 1;
	check(pthread_condattr_init(&attr) == 0 && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&l->done, &attr) == 0);
	pthread_condattr_destroy(&attr);
	list_add_tail(&under_way, &l->node);
	check(pthread_attr_init(&detached) == 0);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &detached, run, l);
	pthread_attr_destroy(&detached);
	if (rc == 0)
		return l;
	list_del(&l->node);
	drop(l);
	return NULL;
}

static struct lookup *join(const char *host)
{
	LIST_FOR(it, &under_way)
		if (strcmp(LIST_ENTRY(it, struct lookup, node)->host, host) == 0)
			return LIST_ENTRY(it, struct lookup, node);
	return begin(host);
}

int db_lookup(const char *host, uint64_t deadline_ns, struct db_addresses *ret, char error[256])
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / CLOCK_S), .tv_nsec = (long)(deadline_ns % CLOCK_S)};
	struct db_addresses found = {0};
	struct lookup *l;
	int rc = 0, late = 0;

	/* what is an address already needs no thread */
	if (resolve(host, AI_NUMERICHOST, ret) == 0)
		return 0;
	pthread_mutex_lock(&lock);
	l = strlen(host) < sizeof(l->host) ? join(host) : NULL;
	if (l) {
		l->refs++;
		while (!l->is_done && !late)
			late = pthread_cond_timedwait(&l->done, &lock, &until) != 0;
		late = !l->is_done;
		rc = l->rc;
		found = l->found;
		drop(l);
	}
	pthread_mutex_unlock(&lock);
	*ret = found;
	if (!l)
		snprintf(error, 256, "host name \"%.100s\" cannot be looked up", host);
	else if (late)
		snprintf(error, 256, "no answer for host name \"%.100s\" within connect_timeout", host);
	else if (rc || !found.n)
		snprintf(error, 256, "could not translate host name \"%.100s\" to address: %s", host,
			 rc ? gai_strerror(rc) : "none");
	return l && !late && !rc && found.n ? 0 : -1;
}
