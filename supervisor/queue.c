/* queue: how many connections wait in a listener's accept queue. For a unix socket only
 * NETLINK_SOCK_DIAG tells; it needs no privilege and answers for one inode at once. */
#include "config.h"
#include "supervisor/listen.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int nl, uint64_t inode)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} q = {
		.h = {.nlmsg_len = sizeof(q),
		      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST},
		.r = {.sdiag_family = AF_UNIX,
		      .udiag_states = ~0u,
		      .udiag_ino = (uint32_t)inode,
		      .udiag_show = UDIAG_SHOW_RQLEN,
		      .udiag_cookie = {~0u, ~0u}},
	};

	return send(nl, &q, sizeof(q), MSG_DONTWAIT) == sizeof(q) ? 0 : -1;
}

static int queue_unix(struct listener *l)
{
	/* Kept open: one question a second. */
	static int nl = -1;
	_Alignas(struct nlmsghdr) char reply[1024];
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)reply;
	const struct rtattr *a;
	ssize_t n;
	unsigned len;

	if (nl < 0)
		nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (nl < 0 || ask(nl, l->inode))
		return -1;
	/* The kernel answers within the send. */
	n = recv(nl, reply, sizeof(reply), MSG_DONTWAIT);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct unix_diag_msg)) ||
	    h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len > (size_t)n)
		return -1;
	a = (const struct rtattr *)(const void *)(reply +
						  NLMSG_SPACE(sizeof(struct unix_diag_msg)));
	len = h->nlmsg_len - (unsigned)NLMSG_SPACE(sizeof(struct unix_diag_msg));
	for (; len >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= len;) {
		unsigned step = (a->rta_len + 3u) & ~3u;

		if (a->rta_type == UNIX_DIAG_RQLEN &&
		    a->rta_len >= RTA_LENGTH(sizeof(struct unix_diag_rqlen))) {
			struct unix_diag_rqlen rq;

			memcpy(&rq, (const char *)a + RTA_LENGTH(0), sizeof(rq));
			l->depth = rq.udiag_rqueue;
			l->limit = rq.udiag_wqueue;
			return 0;
		}
		if (step >= len)
			break;
		a = (const struct rtattr *)(const void *)((const char *)a + step);
		len -= step;
	}
	return -1;
}

int listen_queue(struct listener *l)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (l->path)
		return queue_unix(l);
	if (getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -1;
	l->depth = info.tcpi_unacked;
	l->limit = info.tcpi_sacked;
	return 0;
}
