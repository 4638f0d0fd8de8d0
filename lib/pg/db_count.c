/* How much libpq has read of a socket: it does not say, and what lies at the socket before and after a read tells
 * nothing when the server sends as fast as we read. The kernel knows. Of TCP it counts what has come in order; of a unix
 * socket it moves the offset of a peek back by what is read, and nobody peeks here. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PEEK_FROM (1 << 30)

enum { BY_PEEK_OFFSET = 1, BY_TCP_INFO, BY_NOTHING };

static int way_of(int fd)
{
	int domain = 0;
	socklen_t n = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n))
		return BY_NOTHING;
	return domain == AF_UNIX ? BY_PEEK_OFFSET : domain == AF_INET || domain == AF_INET6 ? BY_TCP_INFO : BY_NOTHING;
}

static int set_peek(int fd)
{
	int v = PEEK_FROM;

	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v));
}

/* All that was ever read. What comes between the two calls is counted too early, and once. */
static uint64_t tcp_total(PGconn *pg)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);
	uint64_t unread = db_unread(pg);

	if (getsockopt(PQsocket(pg), IPPROTO_TCP, TCP_INFO, &info, &n) ||
	    n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
		return 0;
	return info.tcpi_bytes_received > unread ? info.tcpi_bytes_received - unread : 0;
}

void db_count_begin(struct db_conn *c)
{
	if (!c->count_by)
		c->count_by = way_of(PQsocket(c->pg));
	if (c->count_by == BY_PEEK_OFFSET && set_peek(PQsocket(c->pg)))
		c->count_by = BY_NOTHING;	/* not this kernel's */
	if (c->count_by == BY_TCP_INFO)
		c->counted = tcp_total(c->pg);
}

uint64_t db_count_more(struct db_conn *c, unsigned seen_before)
{
	int fd = PQsocket(c->pg), offset = PEEK_FROM;
	socklen_t n = sizeof(offset);
	uint64_t total, was = c->counted;
	unsigned left;

	if (fd < 0)
		return 0;
	switch (c->count_by) {
	case BY_PEEK_OFFSET:
		if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &n) || offset < 0 || offset >= PEEK_FROM)
			return 0;
		(void)set_peek(fd);
		return (uint64_t)(PEEK_FROM - offset);
	case BY_TCP_INFO:
		total = tcp_total(c->pg);
		if (total <= was)
			return 0;
		c->counted = total;
		return total - was;
	default:
		left = db_unread(c->pg);
		return left < seen_before ? seen_before - left : 0;
	}
}
