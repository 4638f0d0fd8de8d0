/* A connection string as a cache's keys see it (lib/tbl/depends.h). What this libpq knows and this file does not shapes the
 * session: a key may be finer than it need be. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/buf.h"
#include "lib/conf/options.h"

/* Which server. */
static const char *const places[] = {"host", "hostaddr", "port", "dbname", "service", "target_session_attrs", NULL};
/* How it is reached; secrets among them. */
static const char *const ways[] = {
    "password", "passfile", "channel_binding", "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "application_name", "fallback_application_name", "sslmode", "requiressl",
    "sslcompression", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslnegotiation",
    "sslcertmode", "requirepeer", "require_auth", "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname",
    "gssencmode", "gssdelegation", "gsslib", "load_balance_hosts", "min_protocol_version", "max_protocol_version", "scram_client_key",
    "scram_server_key", NULL};

static int is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

void db_conninfo_key(const struct opts_database *o, struct buf *place, struct buf *session)
{
	PQconninfoOption *all = PQconninfoParse(o->conninfo, NULL);

	for (const PQconninfoOption *x = all; x && x->keyword; x++)
		if (x->val && !is_one_of(x->keyword, ways))
			buf_addf(is_one_of(x->keyword, places) ? place : session, "%s=%s\n", x->keyword, x->val);
	PQconninfoFree(all);
}
