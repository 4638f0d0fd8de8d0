/* options_check: what one key's parser cannot see: addresses, modes, and keys that depend on each
 * other. A rule is skipped when one of its keys was refused already. */
#include "config.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/net.h"
#include "lib/base/num.h"
#include "lib/conf/cache_server.h"
#include "lib/conf/options_row.h"

#define MAX_UNIX_PATH 107

struct checker {
	const struct options *o;
	const char *file;
	opt_place_f place_of;
	void *arg;
	struct errs *errs;
};

static struct opt_place place(const struct checker *c, const char *section, const char *title,
			      const char *key)
{
	return c->place_of(c->arg, section, title, key);
}

#define complain(c, at, ...)                                                                       \
	(void)errs_add((c)->errs, E_config, (c)->file, (at).line, (at).col, __VA_ARGS__)

#define warn(c, at, ...) errs_warn((c)->errs, (c)->file, (at).line, (at).col, __VA_ARGS__)

static const char *wrong_unix(struct slice path)
{
	if (path.n == 0 || path.p[0] != '/')
		return "expected an absolute path after unix:";
	if (path.n > MAX_UNIX_PATH)
		return "expected a path of at most 107 bytes, the limit of unix sockets";
	return NULL;
}

static const char *wrong_tcp(struct slice a)
{
	const char *colon = a.n ? memrchr(a.p, ':', a.n) : NULL;
	struct slice host, port;
	uint64_t n;

	if (!colon)
		return "expected tcp:ADDRESS:PORT";
	host = slice_of(a.p, (size_t)(colon - a.p));
	port = slice_of(colon + 1, (size_t)(a.p + a.n - colon - 1));
	if (num_u64(port, &n) || n < 1 || n > 65535)
		return "expected a port from 1 to 65535 at the end";
	if (host.n == 0)
		return "expected an address before the port (0.0.0.0 or [::] for all)";
	if (memchr(host.p, ':', host.n) && (host.p[0] != '[' || host.p[host.n - 1] != ']'))
		return "expected an IPv6 address in brackets: tcp:[::1]:9000";
	return NULL;
}

/* NULL when the address is well formed. */
static const char *wrong_address(const char *s, int may_be_tcp)
{
	struct slice a = slice_str(s);

	if (slice_starts(a, SLICE("unix:")))
		return wrong_unix(slice_of(a.p + 5, a.n - 5));
	if (may_be_tcp && slice_starts(a, SLICE("tcp:")))
		return wrong_tcp(slice_of(a.p + 4, a.n - 4));
	return may_be_tcp ? "expected unix:PATH or tcp:ADDRESS:PORT" : "expected unix:PATH";
}

static void check_address(const struct checker *c, const char *key, const char *value,
			  int may_be_tcp)
{
	const char *wrong = wrong_address(value, may_be_tcp);

	if (wrong)
		complain(c, place(c, "", NULL, key), "bad address '%.120s' of %s; %s", value, key,
			 wrong);
}

/* Of a well-formed address. */
static int is_outward(const char *address)
{
	struct slice host = slice_str(address);
	struct sockaddr_storage a = {0};
	struct net net;

	if (!slice_starts(host, SLICE("tcp:")))
		return 0;
	host = slice_of(host.p + 4, (size_t)(strrchr(address, ':') - host.p - 4));
	if (slice_eq(host, SLICE("localhost")))
		return 0;
	if (host.n >= 2 && host.p[0] == '[')
		host = slice_of(host.p + 1, host.n - 2);
	if (net_parse(host, &net))
		return 1;
	a.ss_family = AF_INET6;
	memcpy(&((struct sockaddr_in6 *)(void *)&a)->sin6_addr, net.addr, sizeof(net.addr));
	return !net_is_loopback(&a);
}

static void check_outward(const struct checker *c, const char *key, const char *address)
{
	if (!wrong_address(address, 1) && is_outward(address) && !c->o->listen_allow.n &&
	    !place(c, "", NULL, "listen_allow").is_bad)
		complain(c, place(c, "", NULL, key),
			 "address '%.120s' of %s can be reached from other hosts, and who connects can say he is anybody; expected "
			 "listen_allow with the web servers' network, such as listen_allow = {\"10.0.0.0/8\"}",
			 address, key);
}

static void check_allowed(const struct checker *c)
{
	const struct opt_strings *list = &c->o->listen_allow;

	for (unsigned i = 0; i < list->n; i++) {
		struct net net;
		const char *wrong = net_parse(slice_str(list->v[i]), &net);

		if (wrong)
			complain(c, place(c, "", NULL, "listen_allow"), "bad value '%.80s' of listen_allow; %s", list->v[i], wrong);
	}
}

static void check_addresses(const struct checker *c)
{
	const struct options *o = c->o;
	const char *all[OPTIONS_MAX_LIST + 2];
	unsigned n = 0;

	if (o->listen.n > OPTIONS_MAX_LISTEN)
		complain(c, place(c, "", NULL, "listen"), "%u addresses of listen; expected at most %d", o->listen.n,
			 OPTIONS_MAX_LISTEN);
	for (unsigned i = 0; i < o->listen.n; i++) {
		check_address(c, "listen", o->listen.v[i], 1);
		check_outward(c, "listen", o->listen.v[i]);
		all[n++] = o->listen.v[i];
	}
	check_address(c, "control", o->control, 0);
	all[n++] = o->control;
	if (o->status[0]) {
		check_address(c, "status", o->status, 1);
		check_outward(c, "status", o->status);
		all[n++] = o->status;
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(all[i], all[j]) == 0)
				complain(c,
					 place(c, "", NULL,
					       i < o->listen.n    ? "listen"
					       : i == o->listen.n ? "control"
								  : "status"),
					 "address '%.120s' is given twice", all[i]);
}

static void check_mode(const struct checker *c, const char *key, const char *value)
{
	size_t n = strlen(value);

	if (n < 3 || n > 4 || strspn(value, "01234567") != n || (n == 4 && value[0] != '0'))
		complain(c, place(c, "", NULL, key),
			 "bad value '%.20s' of %s; expected an octal mode such as 0660", value,
			 key);
}

static void check_file(const struct checker *c, const char *key, const char *value)
{
	if (value[0] != '/')
		complain(c, place(c, "log", NULL, key),
			 "bad value '%.120s' of %s; expected an absolute path%s", value, key,
			 strcmp(key, "file") == 0 ? ", or stderr" : "");
}

static int is_name(const char *s)
{
	size_t n = strlen(s);

	return n && n <= 32 && !strchr("0123456789-", s[0]) &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static void check_database(const struct checker *c, const struct opts_database *d)
{
	struct opt_place min = place(c, "database", d->name, "pool_min"),
			 max = place(c, "database", d->name, "pool_max"),
			 express = place(c, "database", d->name, "express"),
			 conninfo = place(c, "database", d->name, "conninfo"),
			 workers = place(c, "workers", NULL, "max");
	unsigned need = c->o->workers.max * (d->express + 1) + 1;

	if (!is_name(d->name))
		complain(c, place(c, "database", d->name, ""),
			 "bad database name '%.40s'; expected a letter, then letters, digits, _ or "
			 "-, at most 32",
			 d->name);
	if (d->conninfo[0] == 0 && !conninfo.is_bad)
		complain(
		    c, conninfo,
		    "database %s: conninfo is missing or empty; expected a libpq connection string",
		    d->name);
	if (d->events == EVENTS_SLOT && d->events_conninfo.n > 1)
		complain(c, place(c, "database", d->name, "events_conninfo"),
			 "%u values of events_conninfo; expected one with events = slot, which reads one server",
			 d->events_conninfo.n);
	if (d->pooler && d->events != EVENTS_OFF && !d->events_conninfo.n && c->o->cache.memory)
		warn(c, place(c, "database", d->name, "pooler"),
		     "database %s: through a pooler no events are heard, so writes by others stay unseen until the time of "
		     "@cache is over; give events_conninfo, which leads around it, or say events = off", d->name);
	if (d->events_slot[0] == 0 || strlen(d->events_slot) > 63 ||
	    strspn(d->events_slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(d->events_slot))
		complain(c, place(c, "database", d->name, "events_slot"),
			 "database %s: bad slot name '%.64s'; expected lower-case letters, digits and _, at most 63", d->name,
			 d->events_slot);
	if (min.is_bad || max.is_bad)
		return;
	if (d->pool_min > d->pool_max)
		complain(c, min, "database %s: pool_min (%u) is larger than pool_max (%u)", d->name,
			 d->pool_min, d->pool_max);
	if (!express.is_bad && !workers.is_bad && need > d->pool_max)
		complain(c, max,
			 "database %s: pool_max (%u) is too small for %u workers with %u express "
			 "connections; "
			 "expected at least %u, or fewer workers",
			 d->name, d->pool_max, c->o->workers.max, d->express, need);
}

static void check_servers(const struct checker *c)
{
	const struct opts_cache *o = &c->o->cache;
	struct opt_place at = place(c, "cache", NULL, "servers");
	struct cache_server v[OPTIONS_MAX_LIST];

	for (unsigned i = 0; i < o->servers.n; i++) {
		struct err e = {0};

		if (cache_server_parse(slice_str(o->servers.v[i]), &v[i], &e)) {
			complain(c, at, "bad server of memcached: %s", e.text);
			return;
		}
		for (unsigned k = 0; k < i; k++)
			if (strcmp(o->servers.v[k], o->servers.v[i]) == 0 ||
			    (v[k].alias[0] && strcmp(v[k].alias, v[i].alias) == 0))
				complain(c, at, "'%.120s' is twice among the servers", o->servers.v[i]);
	}
	if (o->servers.n && !o->secret[0])
		complain(c, at, "servers needs secret, the same on every host that shares them; 'openssl rand -hex 32' makes one");
	if (o->servers.n && !o->memory)
		complain(c, at, "servers needs memory: what comes from memcached is kept in it");
}

static void check_cache(const struct checker *c)
{
	const struct opts_cache *o = &c->o->cache;

	if (o->stamps & (o->stamps - 1))
		complain(c, place(c, "cache", NULL, "stamps"),
			 "bad value %u of stamps; expected a power of two such as 262144", o->stamps);
	if (o->memory && o->memory < OPTIONS_MIN_CACHE)
		complain(c, place(c, "cache", NULL, "memory"),
			 "bad value %llu of memory; expected 0 (no cache) or at least %llu bytes",
			 (unsigned long long)o->memory, (unsigned long long)OPTIONS_MIN_CACHE);
	if (o->secret[0] && strlen(o->secret) < 16)
		complain(c, place(c, "cache", NULL, "secret"), "secret is too short; expected at least 16 bytes");
	check_servers(c);
}

/* Parameters that carry the client's own bytes, whatever their name. */
static int is_of_client(struct slice s)
{
	static const char *const starts[] = {"HTTP_", "CONTENT_", "QUERY_", "REQUEST_", "PATH_", "SCRIPT_",
					     "DOCUMENT_", "SERVER_"};

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (slice_starts(s, slice_str(starts[i])))
			return 1;
	return 0;
}

static void check_param(const struct checker *c, const char *key, const char *value)
{
	if (!value[0])
		return;
	if (strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(value))
		complain(c, place(c, "auth", NULL, key),
			 "bad value '%.60s' of %s; expected a parameter's name such as REMOTE_USER", value, key);
	else if (is_of_client(slice_str(value)))
		complain(c, place(c, "auth", NULL, key),
			 "bad value '%.60s' of %s; a client can set it, expected a parameter that only the web "
			 "server sets",
			 value, key);
}

static void check_auth(const struct checker *c)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	const struct opts_auth *a = &c->o->auth;
	size_t n = strlen(a->api_key_header);

	check_param(c, "user_param", a->user_param);
	check_param(c, "roles_param", a->roles_param);
	check_param(c, "cert_param", a->cert_param);
	check_param(c, "cert_verify_param", a->cert_verify_param);
	if (a->cert_param[0] && !a->cert_verify_param[0])
		complain(c, place(c, "auth", NULL, "cert_verify_param"),
			 "cert_verify_param is empty; expected SSL_CLIENT_VERIFY, cert_param needs it");
	if (!n || n > 64 || strspn(a->api_key_header, token) != n ||
	    strcasecmp(a->api_key_header, "Authorization") == 0)
		complain(c, place(c, "auth", NULL, "api_key_header"),
			 "bad value '%.80s' of api_key_header; expected a header's name such as X-API-Key",
			 a->api_key_header);
	if (strpbrk(a->realm, "\"\\"))
		complain(c, place(c, "auth", NULL, "realm"), "bad value of realm; expected no quotes and no \\");
	if (!a->user_claim[0])
		complain(c, place(c, "auth", NULL, "user_claim"), "user_claim is empty; expected a claim such as sub");
}

/* A result and the answer that is made of it are there together. */
static void check_responses(const struct checker *c)
{
	const struct opts_limits *l = &c->o->limits;
	struct opt_place at = place(c, "limits", NULL, "responses"), one = place(c, "limits", NULL, "response");

	if (!at.is_bad && !one.is_bad && l->responses < 2 * l->response)
		complain(c, at, "limits: responses (%llu) is less than twice response (%llu)", (unsigned long long)l->responses,
			 (unsigned long long)l->response);
}

void options_check(const struct options *o, const char *file, opt_place_f place_of, void *arg,
		   struct errs *errs)
{
	struct checker c = {o, file, place_of, arg, errs};
	struct opt_place min = place(&c, "workers", NULL, "min"),
			 max = place(&c, "workers", NULL, "max");

	check_addresses(&c);
	check_allowed(&c);
	check_mode(&c, "socket_mode", o->socket_mode);
	check_mode(&c, "control_mode", o->control_mode);
	if (!o->endpoints[0])
		complain(&c, place(&c, "", NULL, "endpoints"),
			 "endpoints is empty; expected a directory");
	if (o->workers.min > o->workers.max && !min.is_bad && !max.is_bad)
		complain(&c, min, "workers.min (%u) is larger than workers.max (%u)",
			 o->workers.min, o->workers.max);
	check_auth(&c);
	if (strcmp(o->log.file, "stderr") != 0)
		check_file(&c, "file", o->log.file);
	if (o->log.access[0])
		check_file(&c, "access", o->log.access);
	check_responses(&c);
	check_cache(&c);
	for (unsigned i = 0; i < o->n_databases; i++)
		check_database(&c, &o->databases[i]);
}
