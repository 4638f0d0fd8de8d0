#include "config.h"

#include "lib/conf/conninfo.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "lib/conf/near.h"

enum kind { SECRET, NAME, HOST, ADDRESS, PORT, NUMBER, WORD, PATH };

static const struct {
	const char *key;
	enum kind kind;
} options[] = {
    {"service", NAME}, {"user", NAME}, {"password", SECRET}, {"passfile", PATH}, {"channel_binding", WORD},
    {"connect_timeout", NUMBER}, {"dbname", NAME}, {"host", HOST}, {"hostaddr", ADDRESS}, {"port", PORT}, {"client_encoding", NAME},
    {"options", SECRET}, {"application_name", NAME}, {"fallback_application_name", NAME}, {"keepalives", NUMBER},
    {"keepalives_idle", NUMBER}, {"keepalives_interval", NUMBER}, {"keepalives_count", NUMBER}, {"tcp_user_timeout", NUMBER},
    {"sslmode", WORD}, {"sslcompression", NUMBER}, {"sslcert", PATH}, {"sslkey", PATH}, {"sslpassword", SECRET},
    {"sslcertmode", WORD}, {"sslrootcert", PATH}, {"sslcrl", PATH}, {"sslcrldir", PATH}, {"sslsni", NUMBER},
    {"sslnegotiation", WORD}, {"requirepeer", NAME}, {"require_auth", WORD}, {"requiressl", NUMBER},
    {"ssl_min_protocol_version", WORD}, {"ssl_max_protocol_version", WORD}, {"gssencmode", WORD}, {"gssdelegation", NUMBER},
    {"gsslib", WORD}, {"krbsrvname", NAME}, {"replication", WORD}, {"target_session_attrs", WORD}, {"load_balance_hosts", WORD},
    {"min_protocol_version", WORD}, {"max_protocol_version", WORD}};

/* Of all options that have a list of words. */
static const char *const words[] = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full", "any", "read-write", "read-only", "primary", "standby",
    "prefer-standby", "random", "direct", "postgres", "gssapi", "sspi", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "database",
    "true", "false", "on", "off", "yes", "no", "0", "1", "3.0", "3.2", "latest", "none", "gss", "md5", "password", "scram-sha-256", "oauth"};

static int option_of(struct slice key)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (slice_eq(key, slice_str(options[i].key)))
			return (int)i;
	return -1;
}

static int all_of(struct slice s, const char *signs)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !(s.p[i] && strchr(signs, s.p[i])))
			return 0;
	return 1;
}

static int is_digits(struct slice s, size_t max)
{
	size_t n = 0;

	while (n < s.n && isdigit((unsigned char)s.p[n]))
		n++;
	return n == s.n && n <= max;
}

/* IPv6 may name its interface. */
static int is_address(struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];
	struct slice rest = s, head = slice_cut(&rest, '%');

	if (head.n == 0 || head.n >= sizeof(text))
		return 0;
	memcpy(text, head.p, head.n);
	text[head.n] = 0;
	if (inet_pton(AF_INET6, text, addr) == 1)
		return !rest.p || (rest.n && rest.n < 16 && all_of(rest, "_.-"));
	return !rest.p && inet_pton(AF_INET, text, addr) == 1;
}

static int is_path(struct slice s)
{
	return s.n && memchr(s.p, '/', s.n) && all_of(s, "/._-+~");
}

static int is_host(struct slice s)
{
	return s.n == 0 || (s.p[0] == '/' ? is_path(s) : all_of(s, "._-") || is_address(s));
}

static int is_word(struct slice s)
{
	if (s.n && s.p[0] == '!')	/* require_auth */
		s.p++, s.n--;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq(s, slice_str(words[i])))
			return 1;
	return s.n == 0;
}

static int is_port(struct slice s)
{
	return is_digits(s, 5);
}

static int is_inet(struct slice s)
{
	return s.n == 0 || is_address(s);
}

static int each(struct slice list, int (*is_good)(struct slice))
{
	do
		if (!is_good(slice_cut(&list, ',')))
			return 0;
	while (list.p);
	return 1;
}

static int is_plain(enum kind kind, struct slice v)
{
	switch (kind) {
	case NAME:
		return all_of(v, "_.-$+");
	case HOST:
		return each(v, is_host);
	case ADDRESS:
		return each(v, is_inet);
	case PORT:
		return each(v, is_port);
	case NUMBER:
		return is_digits(v, 6);
	case WORD:
		return each(v, is_word);
	case PATH:
		return v.n == 0 || is_path(v) || slice_eq(v, SLICE("system"));
	case SECRET:
		break;
	}
	return 0;
}

int conninfo_is_plain(const char *key, const char *value)
{
	int o = option_of(slice_str(key));

	return o >= 0 && is_plain(options[o].kind, slice_str(value));
}

/* One option of the string, as it stands there and as libpq understands it. */
struct part {
	struct slice key, raw, value;
};

struct reading {
	struct buf *why;
	void (*found)(struct reading *r, const struct part *p);
	struct buf *out;	/* of show */
	int is_hidden;		/* a value was met that is not plain */
	enum conninfo_fault fault;
};

static int unreadable(struct reading *r, const char *what)
{
	r->fault = CONNINFO_UNREADABLE;
	if (r->why)
		buf_adds(r->why, what);
	return -1;
}

/* An option that is most likely meant is told by name, whose letters it nearly has; another word may be anything. */
static int know(struct reading *r, struct slice key)
{
	const char *keys[ARRAY_LEN(options)], *near;

	if (option_of(key) >= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		keys[i] = options[i].key;
	near = all_of(key, "_") ? near_word(key, keys, ARRAY_LEN(keys)) : NULL;
	unreadable(r, "");
	if (!r->why)
		return -1;
	if (near)
		buf_addf(r->why, "invalid connection option \"%.*s\" (did you mean '%s'?)", SLICE_ARG(key), near);
	else
		buf_adds(r->why, "a word in front of \"=\" is no connection option (not shown: it may be a piece of a password; is a "
				 "quote missing?)");
	return -1;
}

/* key = 'value' …, as libpq's conninfo_parse reads it. */
static int read_pairs(struct slice s, struct reading *r)
{
	const char *p = s.p, *end = s.p + s.n;
	AUTO(buf) struct buf value;

	buf_init(&value, 0);
	for (;;) {
		struct part part;
		int is_quoted;

		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p == end)
			return 0;
		part.raw.p = part.key.p = p;
		while (p < end && *p != '=' && !isspace((unsigned char)*p))
			p++;
		part.key.n = (size_t)(p - part.key.p);
		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p == end || *p != '=')
			return unreadable(r, "a word with a missing \"=\" behind it (not shown: it may be a piece of a password; a "
					     "value with blanks stands in single quotes)");
		for (p++; p < end && isspace((unsigned char)*p);)
			p++;
		is_quoted = p < end && *p == '\'';
		buf_clear(&value);
		for (p += is_quoted; p < end && (is_quoted ? *p != '\'' : !isspace((unsigned char)*p)); p++) {
			if (*p == '\\' && ++p == end)
				break;
			buf_addc(&value, *p);
		}
		if (is_quoted && p == end)
			return unreadable(r, "a quoted value has no end: \"'\" is missing, or one within it lacks its backslash");
		p += is_quoted;
		part.raw.n = (size_t)(p - part.raw.p);
		part.value = buf_slice(&value);
		if (know(r, part.key))
			return -1;
		r->found(r, &part);
	}
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* One part of a URI, decoded. Nothing is told of what is empty. */
static int tell(struct reading *r, const char *key, const char *from, const char *to)
{
	struct part part = {.key = slice_str(key), .raw = slice_of(from, (size_t)(to - from))};
	AUTO(buf) struct buf value;

	buf_init(&value, 0);
	for (; from < to; from++) {
		int high = to - from > 2 ? hex(from[1]) : -1, low = high >= 0 ? hex(from[2]) : -1;

		if (*from != '%') {
			buf_addc(&value, *from);
			continue;
		}
		if (low < 0 || high + low == 0)
			return unreadable(r, "a \"%\" that encodes nothing; \"%\" itself is %25");
		buf_addc(&value, (char)(high << 4 | low));
		from += 2;
	}
	part.value = buf_slice(&value);
	if (part.raw.n)
		r->found(r, &part);
	return 0;
}

static const char *until(const char *p, const char *end, const char *signs)
{
	while (p < end && !strchr(signs, *p))
		p++;
	return p;
}

static int read_query(const char *p, const char *end, struct reading *r)
{
	while (p < end) {
		const char *stop = until(p, end, "&"), *equals = until(p, stop, "=");
		struct slice key = slice_of(p, (size_t)(equals - p));

		if (equals == stop)
			return unreadable(r, "a query parameter of the URI with a missing \"=\"");
		if (until(equals + 1, stop, "=") < stop)
			return unreadable(r, "a query parameter of the URI with two \"=\"; in a value it is %3D");
		/* ssl=true is another way to say sslmode=require */
		if (!slice_eq(slice_of(p, (size_t)(stop - p)), SLICE("ssl=true")) &&
		    (know(r, key) || tell(r, options[option_of(key)].key, equals + 1, stop)))
			return -1;
		p = stop + (stop < end);
	}
	return 0;
}

/* postgresql://user:password@host:port,host:port/dbname?key=value&…, as libpq's conninfo_uri_parse_options reads it. */
static int read_uri(struct slice s, struct reading *r)
{
	const char *p = (const char *)memmem(s.p, s.n, "://", 3) + 3, *end = s.p + s.n;
	const char *at = until(p, end, "@/"), *stop;

	if (at < end && *at == '@') {
		stop = until(p, at, ":");
		if (tell(r, "user", p, stop) || (stop < at && tell(r, "password", stop + 1, at)))
			return -1;
		p = at + 1;
	}
	for (;;) {
		if (p < end && *p == '[') {
			stop = until(++p, end, "]");
			if (stop == end)
				return unreadable(r, "an IPv6 address without its matching \"]\"");
			if (stop == p)
				return unreadable(r, "an empty IPv6 address");
			if (stop + 1 < end && !strchr(":/?,", stop[1]))
				return unreadable(r, "something between an IPv6 address and \":\" or \"/\"");
			if (tell(r, "host", p, stop))
				return -1;
			p = stop + 1;
		} else {
			stop = until(p, end, ":/?,");
			if (tell(r, "host", p, stop))
				return -1;
			p = stop;
		}
		if (p < end && *p == ':') {
			stop = until(p + 1, end, "/?,");
			if (tell(r, "port", p + 1, stop))
				return -1;
			p = stop;
		}
		if (p == end || *p != ',')
			break;
		p++;
	}
	if (p < end && *p == '/') {
		stop = until(p + 1, end, "?");
		if (tell(r, "dbname", p + 1, stop))
			return -1;
		p = stop;
	}
	return p < end ? read_query(p + 1, end, r) : 0;
}

static int is_uri(struct slice s)
{
	return slice_starts(s, SLICE("postgresql://")) || slice_starts(s, SLICE("postgres://"));
}

static void show_pair(struct reading *r, const struct part *p)
{
	enum kind kind = options[option_of(p->key)].kind;

	if (kind == SECRET && !slice_eq(p->key, SLICE("options")))
		return;
	buf_adds(r->out, r->out->n ? " " : "");
	if (is_plain(kind, p->value))
		buf_add(r->out, p->raw.p, p->raw.n);
	else
		buf_addf(r->out, "%.*s=(set)", SLICE_ARG(p->key));
}

/* The URI itself is shown once nothing was found that must not be. */
static void look_at(struct reading *r, const struct part *p)
{
	enum kind kind = options[option_of(p->key)].kind;

	r->is_hidden |= kind == SECRET ? slice_eq(p->key, SLICE("options")) : !is_plain(kind, p->value);
}

/* A URI whose parts are all plain: so the first '@' ends the user's part, and no name is encoded. */
static void cut_passwords(struct slice s, struct buf *out)
{
	const char *p = (const char *)memmem(s.p, s.n, "://", 3) + 3, *end = s.p + s.n;
	const char *at = until(p, end, "@/"), *query = end;
	char sep = '?';

	buf_add(out, s.p, (size_t)(p - s.p));
	if (at < end && *at == '@') {
		buf_add(out, p, (size_t)(until(p, at, ":") - p));
		p = at;
	}
	query = until(p, end, "?");
	buf_add(out, p, (size_t)(query - p));
	for (p = query + 1; p < end;) {
		const char *stop = until(p, end, "&");
		int o = option_of(slice_of(p, (size_t)(until(p, stop, "=") - p)));

		if (o < 0 || options[o].kind != SECRET) {	/* ssl is none of the options */
			buf_addc(out, sep);
			buf_add(out, p, (size_t)(stop - p));
			sep = '&';
		}
		p = stop + 1;
	}
}

void conninfo_show(const char *conninfo, struct buf *out)
{
	struct slice s = slice_str(conninfo);
	AUTO(buf) struct buf b;
	struct reading r = {.out = &b, .found = is_uri(s) ? look_at : show_pair};

	buf_init(&b, 0);
	if ((is_uri(s) ? read_uri(s, &r) : read_pairs(s, &r)) || r.is_hidden) {
		buf_adds(out, "(set)");
		return;
	}
	if (is_uri(s))
		cut_passwords(s, &b);
	buf_add(out, b.p, b.n);
}

/* Blanks around a port are libpq's to judge; '@' in front is a socket without a path. */
static int leads_somewhere(enum kind kind, struct slice v)
{
	struct slice one;

	do {
		one = slice_cut(&v, ',');
		if (kind == HOST && one.n && !strchr("/@", one.p[0]) && !is_address(one) &&
		    (memchr(one.p, '@', one.n) || memchr(one.p, ':', one.n)))
			return 0;
		for (size_t i = 0; kind == PORT && i < one.n; i++)
			if (!isdigit((unsigned char)one.p[i]) && !isspace((unsigned char)one.p[i]) && one.p[i] != '+')
				return 0;
	} while (v.p);
	return 1;
}

static void judge(struct reading *r, const struct part *p)
{
	enum kind kind = options[option_of(p->key)].kind;

	if (r->fault || leads_somewhere(kind, p->value))
		return;
	r->fault = CONNINFO_NO_PLACE;
	buf_adds(r->why, kind == PORT ? "the port is no number" : "the host is neither a name, an address nor a path");
	buf_adds(r->why, " (not shown: it may hold a password)");
}

enum conninfo_fault conninfo_fault(const char *conninfo, struct buf *ret_why)
{
	struct slice s = slice_str(conninfo);
	struct reading r = {.why = ret_why, .found = judge};

	if (is_uri(s))
		(void)!read_uri(s, &r);
	else
		(void)!read_pairs(s, &r);
	if (is_uri(s) && r.fault == CONNINFO_NO_PLACE)
		buf_adds(ret_why, "; a URI has \"@\" between password and host, and within a password \"@\" is %40, \"/\" %2F, \":\" %3A");
	return r.fault;
}
