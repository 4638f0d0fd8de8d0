#include "config.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "lib/base/net.h"

static struct sockaddr_storage address(const char *s)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&a;

	a.ss_family = strchr(s, ':') ? AF_INET6 : AF_INET;
	cr_assert_eq(inet_pton(a.ss_family, s, a.ss_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr), 1, "%s", s);
	return a;
}

static const struct {
	const char *net, *in, *out;
} cases[] = {
	{"10.0.0.0/8", "10.1.2.3", "11.0.0.0"},
	{"10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.1"},
	{"::ffff:10.0.0.0/104", "10.255.255.255", "::10.1.2.3"},
	{"192.0.2.7", "192.0.2.7", "192.0.2.8"},
	{"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
	{"192.0.2.0/31", "192.0.2.1", "192.0.2.2"},
	{"0.0.0.0/0", "255.255.255.255", "::1"},
	{"::/0", "::1", NULL},
	{"::/0", "1.2.3.4", NULL},
	{"fd00::/8", "fdff::1", "fe00::1"},
	{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
	{"::1", "::1", "127.0.0.1"},
};

Test(net, holds_what_is_in_it)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_storage in = address(cases[i].in), out;
		struct net n[2];

		cr_assert_null(net_parse(slice_str(cases[i].net), &n[1]), "%s", cases[i].net);
		cr_assert_null(net_parse(SLICE("203.0.113.1"), &n[0]));
		cr_expect(net_holds(n, 2, &in), "%s %s", cases[i].net, cases[i].in);
		cr_expect(!net_holds(n, 1, &in) && !net_holds(n, 0, &in));
		if (!cases[i].out)
			continue;
		out = address(cases[i].out);
		cr_expect(!net_holds(n, 2, &out), "%s %s", cases[i].net, cases[i].out);
	}
}

Test(net, refuses_what_is_none)
{
	static const char *const bad[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "localhost",
					  "10.0.0", "10.0.0.0.0", "10.1.2.3/8", "fd00::1/8", "*", "10.0.0.0 /8", "[::1]", "tcp:10.0.0.0/8"};
	struct net n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_not_null(net_parse(slice_str(bad[i]), &n), "%s", bad[i]);
}

Test(net, knows_loopback_and_shows_addresses)
{
	static const char *const local[] = {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"};
	static const char *const others[] = {"0.0.0.0", "::", "126.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "::2"};
	struct sockaddr_storage a = {.ss_family = AF_UNIX};
	char text[NET_TEXT];

	cr_expect(!net_is_loopback(&a));
	cr_expect_str_eq(net_show(&a, text), "an address of family 1");
	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		a = address(local[i]);
		cr_expect(net_is_loopback(&a), "%s", local[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		a = address(others[i]);
		cr_expect(!net_is_loopback(&a), "%s", others[i]);
	}
	a = address("::ffff:10.0.0.1");
	cr_expect_str_eq(net_show(&a, text), "10.0.0.1");
	a = address("fd00::7");
	cr_expect_str_eq(net_show(&a, text), "fd00::7");
}
