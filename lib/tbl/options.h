/* Every key of weir.conf. Read with OPT_<section>() defined for the sections wanted; no guard.
 * OPT_<section>(type, field, key, default, min, max, flags, sentence)
 * type: str, list (of strings), uint, size (bytes), msec, bool, enum words in min ("a|b|c"; in max other words for
 * them, accepted and never shown)
 * flags: OPT_F_RELOAD live at reload · OPT_F_RESTART needs a restart · OPT_F_SECRET hidden when shown
 * Empty default of str = not set. A section without a definition expands to nothing. */
#ifndef OPT_top
#define OPT_top(...)
#endif
#ifndef OPT_workers
#define OPT_workers(...)
#endif
#ifndef OPT_database
#define OPT_database(...)
#endif
#ifndef OPT_limits
#define OPT_limits(...)
#endif
#ifndef OPT_cache
#define OPT_cache(...)
#endif
#ifndef OPT_auth
#define OPT_auth(...)
#endif
#ifndef OPT_log
#define OPT_log(...)
#endif

OPT_top(list, listen, "listen", "unix:/run/weir/weir.sock", "", "", OPT_F_RESTART, "FastCGI addresses that web servers connect to: unix:PATH or tcp:ADDRESS:PORT, or a list of these.")
OPT_top(list, listen_allow, "listen_allow", "", "", "", OPT_F_RELOAD, "Networks, such as 10.0.0.0/8, out of which web servers may connect to addresses of listen and status that are TCP and not loopback, and needed for these: who reaches a FastCGI socket can say he is anybody. Others are closed when they connect, and counted in weir_fcgi_peers_refused_total.")
OPT_top(str, control, "control", "unix:/run/weir/control.sock", "", "", OPT_F_RESTART, "Address of the control socket that weirctl connects to.")
OPT_top(str, status, "status", "", "", "", OPT_F_RESTART, "FastCGI address where weir-monitor answers /health, /ready, /metrics and /api/performance; empty for none.")
OPT_top(str, endpoints, "endpoints", "/etc/weir/endpoints", "", "", OPT_F_RELOAD, "Directory whose *.sql files, read recursively, are the endpoints. Relative to this file.")
OPT_top(str, socket_owner, "socket_owner", "", "", "", OPT_F_RESTART, "User that owns unix sockets; empty keeps the user of weird.")
OPT_top(str, socket_group, "socket_group", "", "", "", OPT_F_RESTART, "Group of unix sockets; empty keeps the group of weird.")
OPT_top(str, socket_mode, "socket_mode", "0660", "", "", OPT_F_RESTART, "Mode of the FastCGI and status sockets, octal.")
OPT_top(str, control_mode, "control_mode", "0660", "", "", OPT_F_RESTART, "Mode of the control socket, octal.")
OPT_top(str, control_group, "control_group", "weir-adm", "", "", OPT_F_RESTART, "Group of the control socket, whose members are operators. Where there is no such group, or weird's user is not in it, only root and that user reach the socket.")
OPT_top(uint, backlog, "backlog", "1024", "1", "65535", OPT_F_RESTART, "Length of each listener's accept queue.")

OPT_workers(uint, min, "min", "1", "1", "63", OPT_F_RELOAD, "Worker processes that always run.")
OPT_workers(uint, max, "max", "2", "1", "63", OPT_F_RESTART, "Most worker processes at a time; shared memory is laid out for them.")
OPT_workers(msec, ready_timeout, "ready_timeout", "10s", "100ms", "10min", OPT_F_RELOAD, "How long a new worker may take until it is ready.")
OPT_workers(msec, drain_timeout, "drain_timeout", "30s", "100ms", "1h", OPT_F_RELOAD, "How long a worker that was asked to leave may take for its requests in flight.")
OPT_workers(msec, stop_timeout, "stop_timeout", "30s", "100ms", "1h", OPT_F_RELOAD, "How long a graceful stop may take in all.")
OPT_workers(msec, hang_timeout, "hang_timeout", "2s", "500ms", "10min", OPT_F_RELOAD, "A worker whose loop has not turned for so long is ended and replaced.")
OPT_workers(uint, max_connections, "max_connections", "20000", "16", "1000000", OPT_F_RELOAD, "Connections from web servers that one worker keeps open.")

OPT_database(str, conninfo, "conninfo", "", "", "", OPT_F_RELOAD | OPT_F_SECRET, "libpq connection string or URI.")
OPT_database(uint, pool_min, "pool_min", "5", "1", "1000", OPT_F_RELOAD, "Connections kept warm, for the whole instance.")
OPT_database(uint, pool_max, "pool_max", "20", "1", "1000", OPT_F_RESTART, "Most connections at a time, for the whole instance; weir-monitor has up to 3 of its own besides. Where the server grants fewer, what it grants serves: lanes are merged, workers take turns, and weir-monitor goes without.")
OPT_database(msec, idle_timeout, "idle_timeout", "5min", "1s", "1d", OPT_F_RELOAD, "Connections above pool_min are closed after being idle for so long.")
OPT_database(msec, max_lifetime, "max_lifetime", "30min", "1s", "7d", OPT_F_RELOAD, "Connections are replaced at this age, less up to a tenth. The last one of a worker is kept while no other is to be had.")
OPT_database(msec, connect_timeout, "connect_timeout", "2s", "10ms", "1min", OPT_F_RELOAD, "Longest time one connection attempt may take in all: name look-up, TLS, authentication, session settings; of several hosts or addresses each gets its share. Describing the statements may take as long again, and 10 ms more for each.")
OPT_database(msec, query_timeout, "query_timeout", "2s", "1ms", "1h", OPT_F_RELOAD, "Deadline of a request whose endpoint has no @timeout of its own.")
OPT_database(msec, express_guard, "express_guard", "50ms", "10ms", "500ms", OPT_F_RELOAD, "Statement timeout of the express lane; a statement that meets it runs again in the exclusive lane.")
OPT_database(uint, express, "express", "1", "0", "4", OPT_F_RELOAD, "Express (pipelined) connections of each worker; 0 turns the lane off.")
OPT_database(enum, batch, "batch", "off", "off|turn", "", OPT_F_RELOAD, "turn: the setting-free reads of one loop turn share a Sync in the express lane; faster, but a slow statement then delays the whole batch.")
OPT_database(enum, events, "events", "notify", "notify|slot|off", "", OPT_F_RELOAD, "How writes by others are heard, when there is a cache: by NOTIFY (weir.watch); over a logical replication slot (weir.watch_slot; the role needs REPLICATION, the server wal_level = logical); or not at all.")
OPT_database(str, events_slot, "events_slot", "weir", "", "", OPT_F_RELOAD, "Name of the slot of events = slot: lower-case letters, digits and _; another one for each instance. Drop it when the instance goes for good, or the server keeps its log for it.")
OPT_database(list, events_conninfo, "events_conninfo", "", "", "", OPT_F_RELOAD | OPT_F_SECRET, "Connection strings by which events are heard, around a pooler in conninfo; of a distributed database one for each node. With several hosts in one add target_session_attrs=primary. Empty: conninfo.")
OPT_database(enum, pooler, "pooler", "off", "off|transaction", "no|yes", OPT_F_RELOAD, "transaction: the database is reached through a transaction pooler (PgBouncer): no session settings, no named statements, no express lane (PgBouncer mixes up what is under way on one connection), no cancelling, no NOTIFY weir_reload; events need events_conninfo.")
OPT_database(str, timezone, "timezone", "UTC", "", "", OPT_F_RELOAD, "TimeZone of the sessions; it decides how timestamptz is rendered.")
OPT_database(bool, insecure_tls, "insecure_tls", "no", "", "", OPT_F_RELOAD, "Allow TCP connections to hosts other than loopback without sslmode=verify-full.")

OPT_limits(size, body, "body", "1MiB", "0", "1GiB", OPT_F_RELOAD, "Largest request body.")
OPT_limits(size, params, "params", "64KiB", "1KiB", "65535", OPT_F_RELOAD, "Largest FastCGI parameter list (all headers of one request); 64KiB means the protocol's limit of 65535 bytes.")
OPT_limits(size, uri, "uri", "8KiB", "64", "64KiB", OPT_F_RELOAD, "Longest request target.")
OPT_limits(size, bodies, "bodies", "64MiB", "1MiB", "64GiB", OPT_F_RELOAD, "Unfinished bodies that one worker holds in all; beyond it a request is answered 503.")
OPT_limits(size, response, "response", "64MiB", "64KiB", "1GiB", OPT_F_RELOAD, "Largest response; a larger result is answered 500 before the first byte, and one that is larger by half is stopped while it arrives, by closing its connection.")
OPT_limits(size, responses, "responses", "256MiB", "1MiB", "64GiB", OPT_F_RELOAD, "Results and answers that one worker holds in all, from their first byte out of the database to the last one that the client takes; beyond it the largest is given up: 503, or its connection is closed when it was on its way. At least twice response.")
OPT_limits(msec, header_timeout, "header_timeout", "10s", "100ms", "10min", OPT_F_RELOAD, "From a request's first byte until all of its headers are here.")
OPT_limits(msec, body_timeout, "body_timeout", "30s", "100ms", "1h", OPT_F_RELOAD, "From the headers until the whole body is here.")
OPT_limits(msec, write_timeout, "write_timeout", "60s", "100ms", "1h", OPT_F_RELOAD, "How long a peer may take nothing of its response.")
OPT_limits(msec, idle_timeout, "idle_timeout", "1h", "1s", "7d", OPT_F_RELOAD, "How long a kept-alive connection may be idle.")
OPT_limits(uint, queue, "queue", "256", "1", "65535", OPT_F_RELOAD, "Requests of one worker that may wait for a database connection; the parts of a composed one count as one.")

OPT_cache(size, memory, "memory", "64MiB", "0", "256GiB", OPT_F_RESTART, "Shared memory for cached answers; 0 turns the cache off.")
OPT_cache(uint, stamps, "stamps", "262144", "4096", "1048576", OPT_F_RESTART, "Generation counters that tags hash to, a power of two, 32 bytes each; with more of them an invalidation meets another tag by chance less often.")
OPT_cache(enum, compress, "compress", "br", "off|gzip|br", "", OPT_F_RELOAD, "Codings that answers are kept in besides their own, for clients that accept them: gzip; br, which is brotli and gzip; or none. Private answers only where the endpoint says @compress on.")
OPT_cache(size, compress_min, "compress_min", "1KiB", "64", "1MiB", OPT_F_RELOAD, "Smallest body that is compressed.")
OPT_cache(bool, obey_no_cache, "obey_no_cache", "no", "", "", OPT_F_RELOAD, "Obey no-cache and max-age=0 in the Cache-Control of requests: the database is asked although the answer is kept. Only where every client is an operator: else any of them can turn the cache off.")
OPT_cache(str, secret, "secret", "", "", "", OPT_F_RESTART | OPT_F_SECRET, "Seed of the keys' hash, at least 16 bytes; the same on all hosts that share memcached, and needed with servers. Empty: one is drawn at each start.")
OPT_cache(list, servers, "servers", "", "", "", OPT_F_RELOAD, "memcached servers that hosts share as the second tier: HOST:PORT, [ADDRESS]:PORT or unix:/PATH, then, if wanted, 'as ALIAS' (a name that keeps the keys where they are when the address changes) and 'weight N'; up to 16, the same on all hosts. Empty: none.")

OPT_auth(str, jwks, "jwks", "", "", "", OPT_F_RELOAD, "File with the keys that tokens may be signed by, a JWK Set (RFC 7517); empty for none. Relative to this file.")
OPT_auth(str, hs256_file, "hs256_file", "", "", "", OPT_F_RELOAD, "File with the shared secret of HS256 tokens, at least 32 bytes; a newline at its end does not count.")
OPT_auth(enum, rsa_alg, "rsa_alg", "RS256", "RS256|RS384|RS512|PS256|PS384|PS512", "", OPT_F_RELOAD, "Algorithm of the RSA keys whose JWK names none.")
OPT_auth(str, issuer, "issuer", "", "", "", OPT_F_RELOAD, "The iss that a token must carry; empty: it is not looked at.")
OPT_auth(list, audience, "audience", "", "", "", OPT_F_RELOAD, "The aud that a token must carry, or a list of which it must carry one; empty: it is not looked at.")
OPT_auth(msec, leeway, "leeway", "60s", "0", "10min", OPT_F_RELOAD, "How far the clock of who issued a token may differ from ours.")
OPT_auth(bool, require_exp, "require_exp", "yes", "", "", OPT_F_RELOAD, "Refuse tokens that never expire.")
OPT_auth(str, user_claim, "user_claim", "sub", "", "", OPT_F_RELOAD, "Claim that is the user's name; a path such as user.id looks inside objects.")
OPT_auth(str, roles_claim, "roles_claim", "roles", "", "", OPT_F_RELOAD, "Claim that lists the roles: an array, or text with blanks or commas between them; a path such as realm_access.roles looks inside objects.")
OPT_auth(size, token_cache, "token_cache", "4MiB", "0", "1GiB", OPT_F_RELOAD, "Memory in which each worker remembers verified tokens until they expire; 0 verifies a token each time.")
OPT_auth(str, api_keys, "api_keys", "", "", "", OPT_F_RELOAD, "File with the digests of API keys and whom they stand for; empty for none. Relative to this file.")
OPT_auth(str, api_key_header, "api_key_header", "X-API-Key", "", "", OPT_F_RELOAD, "Header that carries an API key.")
OPT_auth(str, user_param, "user_param", "", "", "", OPT_F_RELOAD, "FastCGI parameter in which the web server asserts the user, such as REMOTE_USER; empty for none. Only where the web server sends it for users whom it has checked: nginx with its stock fastcgi_params and HAProxy fill REMOTE_USER from any Basic credentials, checked or not.")
OPT_auth(str, roles_param, "roles_param", "", "", "", OPT_F_RELOAD, "FastCGI parameter in which the web server asserts the user's roles, with blanks or commas between them; empty for none.")
OPT_auth(str, cert_param, "cert_param", "", "", "", OPT_F_RELOAD, "FastCGI parameter with the name out of the client's certificate, such as SSL_CLIENT_S_DN; it is the user when cert_verify_param says SUCCESS. Empty for none.")
OPT_auth(str, cert_verify_param, "cert_verify_param", "SSL_CLIENT_VERIFY", "", "", OPT_F_RELOAD, "FastCGI parameter that is SUCCESS when the web server has verified the client's certificate.")
OPT_auth(str, realm, "realm", "weir", "", "", OPT_F_RELOAD, "Realm in WWW-Authenticate.")

OPT_log(enum, level, "level", "info", "error|warning|info|debug", "", OPT_F_RELOAD, "Least severe level that is logged.")
OPT_log(str, file, "file", "stderr", "", "", OPT_F_RELOAD, "Where weird and its children log: stderr, or a file's path.")
OPT_log(str, access, "access", "", "", "", OPT_F_RELOAD, "Access log (one JSON line a request); empty for none.")

#undef OPT_top
#undef OPT_workers
#undef OPT_database
#undef OPT_limits
#undef OPT_cache
#undef OPT_auth
#undef OPT_log
