/* A probe is a connection of its own and "version", watched by the thread's poll beside its other work: a
 * node that hangs costs nobody's get anything. */
#include "config.h"

#include "lib/mc/mc_priv.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int over(struct mc_probe *p, enum breaker_probe how, enum breaker_probe *ret)
{
	mc_probe_stop(p);
	*ret = how;
	return 1;
}

static int is_refusal(int error)
{
	return error == ECONNREFUSED || error == ENOENT || error == ECONNRESET || error == EPIPE;
}

static int connect_to(struct mc_probe *p, int family, const struct sockaddr *a, socklen_t n)
{
	p->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	if (connect(p->fd, a, n) == 0 || errno == EINPROGRESS)
		return 0;
	return -errno;
}

/* A host name may block here, as it does inside libmemcached; see MC_STUCK_MS. */
static int connect_host(struct mc_probe *p, const struct cache_server *s)
{
	struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", s->port);
	if (getaddrinfo(s->host, port, &want, &found) != 0)
		return -EHOSTUNREACH;
	rc = connect_to(p, found->ai_family, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return rc;
}

int mc_probe_start(struct mc_probe *p, const struct cache_server *s, uint64_t now_ms, enum breaker_probe *ret)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int rc;

	p->is_sent = 0;
	p->n = 0;
	p->deadline_ms = now_ms + MC_PROBE_MS;
	if (s->port) {
		rc = connect_host(p, s);
	} else {
		/* cache_server_parse saw to the length. */
		memcpy(a.sun_path, s->host, strnlen(s->host, sizeof(a.sun_path) - 1));
		rc = connect_to(p, AF_UNIX, (const struct sockaddr *)&a, sizeof(a));
	}
	if (rc < 0)
		return over(p, is_refusal(-rc) ? BREAKER_PROBE_REFUSED : BREAKER_PROBE_FAILED, ret);
	return 0;
}

short mc_probe_events(const struct mc_probe *p)
{
	return p->is_sent ? POLLIN : POLLOUT;
}

int mc_probe_step(struct mc_probe *p, uint64_t now_ms, enum breaker_probe *ret)
{
	static const char ask[] = "version\r\n";
	ssize_t got;

	if (now_ms >= p->deadline_ms)
		return over(p, BREAKER_PROBE_FAILED, ret);
	if (!p->is_sent) {
		got = send(p->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL);
		if (got < 0)
			/* ENOTCONN: a TCP connect that is still under way says EAGAIN */
			return errno == EAGAIN || errno == EINTR ? 0 :
			       over(p, is_refusal(errno) ? BREAKER_PROBE_REFUSED : BREAKER_PROBE_FAILED, ret);
		if ((size_t)got != sizeof(ask) - 1)
			return over(p, BREAKER_PROBE_FAILED, ret);
		p->is_sent = 1;
	}
	got = recv(p->fd, p->answer + p->n, sizeof(p->answer) - p->n, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 :
		       over(p, is_refusal(errno) ? BREAKER_PROBE_REFUSED : BREAKER_PROBE_FAILED, ret);
	if (got == 0)
		return over(p, BREAKER_PROBE_REFUSED, ret);
	p->n += (unsigned)got;
	if (!memchr(p->answer, '\n', p->n))
		return p->n < sizeof(p->answer) ? 0 : over(p, BREAKER_PROBE_FAILED, ret);
	return over(p, p->n > 8 && memcmp(p->answer, "VERSION ", 8) == 0 ? BREAKER_PROBE_OK : BREAKER_PROBE_FAILED, ret);
}

void mc_probe_stop(struct mc_probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
