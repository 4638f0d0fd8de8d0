/* endpoint: one annotated .sql file: directives parsed, parameters found, SQL variants made.
 * Owner: endpoints_done frees all; the strings inside live in one arena per set. Read-only once loaded.
 * Layer: lib/conf. */
#ifndef WEIR_CONF_ENDPOINT_H
#define WEIR_CONF_ENDPOINT_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/conf/errs.h"

struct options;

#define ENDPOINT_MAX_PARAMS 64
#define ENDPOINT_MAX_VARIANTS 64
#define ENDPOINT_MAX_SEGMENTS 32
#define ENDPOINT_MAX_SQL (256u * 1024)

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };
enum endpoint_returns { RETURNS_ROWS, RETURNS_ROW, RETURNS_VALUE, RETURNS_NONE, RETURNS_JSON };
/* AUTH_USER: the caller must be identified; auth_rules say as whom. */
enum endpoint_auth { AUTH_NONE, AUTH_USER };
enum auth_rule_kind { AUTH_RULE_USER, AUTH_RULE_ROLE, AUTH_RULE_CLAIM };

/* One condition of @auth; an endpoint's conditions must all hold. */
struct auth_rule {
	enum auth_rule_kind kind;
	const char *claim;		/* AUTH_RULE_CLAIM: its path */
	unsigned n_values;		/* of which one is enough; 0 for AUTH_RULE_USER */
	const char *const *values;
};

/* SOURCE_AUTO: path template, else query string, else the JSON body's member. */
enum param_source { SOURCE_AUTO, SOURCE_PATH, SOURCE_QUERY, SOURCE_JSON, SOURCE_HEADER, SOURCE_COOKIE, SOURCE_USER, SOURCE_CLAIM, SOURCE_BODY };

enum param_flags {
	PARAM_REQUIRED = 1,	/* the default unless optional or default is said */
	PARAM_HAS_DEFAULT = 2,
	PARAM_HAS_MIN = 4,
	PARAM_HAS_MAX = 8,
	PARAM_CHOICE = 16,	/* @choice: picks a variant, is not bound */
	PARAM_TAG = 64,		/* fills a tag of @cache or @invalidates */
	PARAM_DECLARED = 32	/* by @param or @choice, not only met in the SQL */
};

struct param {
	const char *name;
	const char *from_name;		/* cookie name, claim path, or header name in the CGI form, "HTTP_X_TENANT" */
	enum param_source source;
	unsigned flags;
	const char *def;		/* default as text */
	const char *range_min, *range_max;	/* text of range A..B, compared by type; NULL = open */
	unsigned minlen, maxlen;	/* characters; 0 = none */
	unsigned n_choices;		/* of @param choice, or of @choice */
	const char **choices;
	unsigned number;		/* $n in every variant, from 1; 0 = not bound */
	unsigned line;
};

/* One piece of a path template: literal text, or a parameter when param >= 0. */
struct segment {
	struct slice text;
	int param;			/* index in params */
};

struct header_rule {
	const char *name, *value;	/* value may hold {column} */
};

/* A tag of the cache, "user:{user_id}:images": literal text and values. */
enum tag_part_kind { TAG_TEXT, TAG_PARAM, TAG_USER, TAG_CLAIM };
struct tag_part {
	enum tag_part_kind kind;
	struct slice text;		/* TAG_TEXT; TAG_CLAIM: the claim's path, NUL-terminated */
	unsigned param;			/* TAG_PARAM: index in params */
	unsigned char as;		/* the worker's: enum db_canon of a value whose type no statement says */
	unsigned char is_told;		/* the worker's: that is known; statements that are not described yet may say otherwise */
};
#define ENDPOINT_MAX_TAGS 16		/* of @cache, of @invalidates: lib/shm/stamps.h holds no more of one entry */
#define ENDPOINT_MAX_TAG_PARTS 16
#define ENDPOINT_MAX_TAG 256		/* bytes of a tag, values filled in; a longer one is cut to its hash */
struct tag_template {
	const char *text;		/* as written */
	unsigned line, col;
	unsigned n_parts;
	struct tag_part *parts;
};

/* @cache. Times in milliseconds. */
struct cache_policy {
	int is_on;
	uint64_t ttl_ms;		/* fresh for so long */
	uint64_t stale_ms;		/* then so long stale while it is refreshed */
	uint64_t error_ms;		/* then so long on errors */
	uint64_t negative_ms;		/* a 404 or an empty answer; 0: not kept */
	int is_public, is_private;	/* as written; neither: private if per anything of the identity */
	unsigned at_most;		/* percent of the cache when others want room; 0: unsaid */
	int is_per_user;
	unsigned n_per_claims, n_per_headers;
	const char *per_claims[ENDPOINT_MAX_TAGS];
	const char *per_headers[ENDPOINT_MAX_TAGS];	/* names as Vary says them */
	unsigned n_tags;
	struct tag_template *tags;
};

enum endpoint_compress { COMPRESS_UNSAID, COMPRESS_YES, COMPRESS_NO };	/* @compress */

/* @include: a part of a composed endpoint, answered by another endpoint. */
#define ENDPOINT_MAX_INCLUDES 32
struct include {
	const char *name;		/* member of the document */
	struct tag_template path;	/* path and query, {parameter} in it */
	struct endpoint *target;	/* by endpoints_finish */
};

/* A directive that this build keeps and does not act on yet. */
struct kept_directive {
	const char *word, *args;
	unsigned line;
};

struct variant {
	const char *sql;		/* with $1..$n in place of :name */
	/* place of each byte of sql in the file is not kept; errors of the server name line 1-based below */
	unsigned line;			/* file line of the SQL's first line */
};

struct endpoint {
	const char *file;		/* path below the endpoints folder */
	const char *id;			/* file without .sql, '/' as '.', the label in metrics: "models.list" */
	const char *shape;		/* the directives that shape its answer, as written; NULL: none (lib/tbl/depends.h) */
	const char *description;	/* comment lines, joined by newlines; "" if none */
	enum http_method method;	/* GET (answers HEAD too), POST, PUT, PATCH, DELETE; HTTP_OTHER: any, of a handler */
	const char *path;		/* the template as written */
	int takes_rest;			/* the last segment is {name...}: the rest of the path, slashes and all */
	const char *handler, *handler_argument;	/* @handler; NULL: none */
	unsigned n_segments;
	struct segment segments[ENDPOINT_MAX_SEGMENTS];
	unsigned n_params;
	struct param params[ENDPOINT_MAX_PARAMS];
	unsigned n_bound;		/* parameters of the statement: numbers 1 … n_bound */
	unsigned n_values;		/* and those that only its parts are given, numbered behind */
	int admits_unknown;		/* @param * */
	int needs_body;			/* some parameter may come from the body */
	enum endpoint_returns returns;
	enum endpoint_auth auth;
	unsigned n_auth_rules;
	struct auth_rule *auth_rules;
	/* What of the caller's identity the answer may depend on. Who may call is another matter: auth_rules
	 * are judged for every request, before any cache. */
	unsigned identity_user : 1;	/* the user: @auth user, a parameter from user, @rls */
	unsigned identity_rls : 1;	/* @rls: any claim */
	unsigned n_identity_claims;	/* of parameters from claim */
	const char *identity_claims[ENDPOINT_MAX_PARAMS];
	uint64_t timeout_ms;		/* 0: the database's query_timeout */
	uint64_t slow_ms;		/* 0: none */
	unsigned database;		/* index in options.databases */
	int status;			/* 0: 200, or 204 for none */
	unsigned n_headers;
	struct header_rule *headers;
	struct cache_policy cache;
	enum endpoint_compress compress;
	unsigned n_invalidates;
	struct tag_template *invalidates;
	unsigned n_includes;
	struct include *includes;
	unsigned n_kept;
	struct kept_directive *kept;
	/* see endpoint_variant */
	unsigned n_variants;
	struct variant *variants;
	int may_express;		/* statically: GET, read-only by its first word, no session functions */
	const char *lane_reason;	/* why not, one clause; "" if it may */
	int has_sql;
	int is_session_clean;		/* @session clean */
	int may_write;			/* by its method or its text: never run twice on a lost connection */
	unsigned metric;		/* row in shared memory; given by the snapshot */
};

struct endpoints {
	unsigned n;
	struct endpoint **v;		/* sorted by file */
	struct arena arena;
	struct arena_pool pool;
};

void endpoints_init(struct endpoints *set);
void endpoints_done(struct endpoints *set);
/* Parse one file's text and add it. The number of errors added to errs; nothing is added on errors.
 * o (may be NULL) gives the database names. */
int endpoints_parse(struct endpoints *set, const struct options *o, const char *file,
		    struct slice text, struct errs *errs);
/* Rules over the whole set: a route twice, templates that cannot be told apart. Sorts. */
int endpoints_finish(struct endpoints *set, struct errs *errs);
/* mdoc list of the directives, for weir-endpoint(7). */
void endpoints_mdoc(struct buf *out);

/* Is the endpoint with this row (endpoint.metric) a part of e? */
int endpoint_has_part(const struct endpoint *e, unsigned metric);
/* Number of the variant when params[i] (each one of @choice) has its choices[picks[i]]: a mixed-radix
 * number, the first choice the most significant. */
unsigned endpoint_variant(const struct endpoint *e, const unsigned *picks);

const char *http_method_name(enum http_method m);
enum http_method http_method_parse(struct slice s);	/* HTTP_OTHER when unknown */

#endif
