/* net: networks as "10.0.0.0/8", "fd00::/8", or one address, and who is in them. An IPv4 address and the same one mapped
 * into IPv6 are one.
 * Pure functions. Layer: lib/base. */
#ifndef WEIR_BASE_NET_H
#define WEIR_BASE_NET_H

#include <sys/socket.h>

#include "lib/base/slice.h"

struct net {
	unsigned char addr[16];	/* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;		/* of 128 */
};

#define NET_TEXT 64u

/* NULL, or what is wrong with s, as "expected …". Bits behind the prefix must be 0: who writes 10.1.2.3/8 means one or
 * the other. */
const char *net_parse(struct slice s, struct net *ret);
/* Is the peer's address in one of them? Anything that is no IP address is in none. */
int net_holds(const struct net *v, unsigned n, const struct sockaddr_storage *peer);
int net_is_loopback(const struct sockaddr_storage *a);
/* For a log line. */
const char *net_show(const struct sockaddr_storage *a, char out[NET_TEXT]);

#endif
