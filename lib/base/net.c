#include "config.h"

#include "lib/base/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "lib/base/num.h"

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static void map(unsigned char out[16], const void *v4)
{
	memcpy(out, mapped, 12);
	memcpy(out + 12, v4, 4);
}

/* 0, or -1: no IP address. */
static int bytes_of(const struct sockaddr_storage *a, unsigned char out[16])
{
	if (a->ss_family == AF_INET)
		map(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr);
	else if (a->ss_family == AF_INET6)
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	else
		return -1;
	return 0;
}

/* Do the first so many bits agree? */
static int agree(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (!rest || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0);
}

const char *net_parse(struct slice s, struct net *ret)
{
	static const char what[] = "expected an address or a network such as 10.0.0.0/8 or fd00::/8";
	struct slice host = slice_cut(&s, '/');
	unsigned char none[16] = {0};
	char text[INET6_ADDRSTRLEN];
	unsigned max = 128, skip = 0;
	uint64_t bits;

	if (!host.n || host.n >= sizeof(text))
		return what;
	memcpy(text, host.p, host.n);
	text[host.n] = 0;
	if (inet_pton(AF_INET, text, none) == 1) {
		map(ret->addr, none);
		max = 32;
		skip = 96;
	} else if (inet_pton(AF_INET6, text, ret->addr) != 1) {
		return what;
	}
	bits = max;
	if (s.p && (num_u64(s, &bits) || bits > max))
		return max == 32 ? "expected /0 to /32 behind an IPv4 address" : "expected /0 to /128 behind an IPv6 address";
	ret->bits = (unsigned)bits + skip;
	for (unsigned i = ret->bits; i < 128; i++)
		if (ret->addr[i / 8] >> (7 - i % 8) & 1)
			return "expected zeros behind the prefix: 10.0.0.0/8 and not 10.1.2.3/8";
	return NULL;
}

int net_holds(const struct net *v, unsigned n, const struct sockaddr_storage *peer)
{
	unsigned char a[16];

	if (bytes_of(peer, a))
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (agree(v[i].addr, a, v[i].bits))
			return 1;
	return 0;
}

int net_is_loopback(const struct sockaddr_storage *a)
{
	static const struct net local[] = {{{[10] = 0xff, [11] = 0xff, [12] = 127}, 104}, {{[15] = 1}, 128}};

	return net_holds(local, ARRAY_LEN(local), a);
}

const char *net_show(const struct sockaddr_storage *a, char out[NET_TEXT])
{
	unsigned char b[16];

	if (bytes_of(a, b))
		snprintf(out, NET_TEXT, "an address of family %d", a->ss_family);
	else if (memcmp(b, mapped, 12) == 0)
		inet_ntop(AF_INET, b + 12, out, NET_TEXT);
	else
		inet_ntop(AF_INET6, b, out, NET_TEXT);
	return out;
}
