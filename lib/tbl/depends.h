/* What an answer depends on, besides its parameters and who asks: the one list that the keys of the cache are made from
 * (workers/cachekey.c). A change of what is SHAPES here, by a reload or on another host, is another key. Every option and
 * every directive has its row: without one, or with one too many, lib/conf/depends.c does not compile. Read with DEP_OPT() and
 * DEP_DIR() defined; no guard.
 * DEP_OPT(section, field, how)
 *   SHAPES  the same request is answered otherwise with another value
 *   SERVER  conninfo, taken apart by db_conninfo_key: what names the server is in the key of shared memory alone (in memcached
 *           the server's own identity stands for it, so that hosts may spell its address differently), what shapes a session
 *           is in both, and how to get there (password, TLS, timeouts) in neither
 *   APART   it says when, how fast, by whom or whether at all, never what
 * DEP_DIR(id, how): a SHAPES directive is in the key as it is written, with everything that may ever stand behind its word.
 * Besides these there are, in cachekey_of_endpoint: the build, the statements, a handler's file, and the parts of a whole. What only a
 * session knows (a setting of the role or the database) belongs into cachekey_make. */
#ifndef DEP_OPT
#define DEP_OPT(...)
#endif
#ifndef DEP_DIR
#define DEP_DIR(...)
#endif

DEP_OPT(top, listen, APART)
DEP_OPT(top, listen_allow, APART)
DEP_OPT(top, control, APART)
DEP_OPT(top, status, APART)
DEP_OPT(top, endpoints, APART)
DEP_OPT(top, socket_owner, APART)
DEP_OPT(top, socket_group, APART)
DEP_OPT(top, socket_mode, APART)
DEP_OPT(top, control_mode, APART)
DEP_OPT(top, control_group, APART)
DEP_OPT(top, backlog, APART)

DEP_OPT(workers, min, APART)
DEP_OPT(workers, max, APART)
DEP_OPT(workers, ready_timeout, APART)
DEP_OPT(workers, drain_timeout, APART)
DEP_OPT(workers, stop_timeout, APART)
DEP_OPT(workers, hang_timeout, APART)
DEP_OPT(workers, max_connections, APART)

DEP_OPT(database, conninfo, SERVER)
DEP_OPT(database, pool_min, APART)
DEP_OPT(database, pool_max, APART)
DEP_OPT(database, idle_timeout, APART)
DEP_OPT(database, max_lifetime, APART)
DEP_OPT(database, connect_timeout, APART)
DEP_OPT(database, query_timeout, APART)
DEP_OPT(database, express_guard, APART)
DEP_OPT(database, express, APART)
DEP_OPT(database, batch, APART)
DEP_OPT(database, events, APART)
DEP_OPT(database, events_slot, APART)
DEP_OPT(database, events_conninfo, APART)
DEP_OPT(database, pooler, SHAPES)
DEP_OPT(database, timezone, SHAPES)
DEP_OPT(database, insecure_tls, APART)

DEP_OPT(limits, body, APART)
DEP_OPT(limits, params, APART)
DEP_OPT(limits, uri, APART)
DEP_OPT(limits, bodies, APART)
DEP_OPT(limits, responses, APART)
DEP_OPT(limits, response, APART)
DEP_OPT(limits, header_timeout, APART)
DEP_OPT(limits, body_timeout, APART)
DEP_OPT(limits, write_timeout, APART)
DEP_OPT(limits, idle_timeout, APART)
DEP_OPT(limits, queue, APART)

DEP_OPT(cache, memory, APART)
DEP_OPT(cache, stamps, APART)
DEP_OPT(cache, compress, APART)
DEP_OPT(cache, compress_min, APART)
DEP_OPT(cache, obey_no_cache, APART)
DEP_OPT(cache, secret, APART)
DEP_OPT(cache, servers, APART)

DEP_OPT(auth, jwks, APART)
DEP_OPT(auth, hs256_file, APART)
DEP_OPT(auth, rsa_alg, APART)
DEP_OPT(auth, issuer, APART)
DEP_OPT(auth, audience, APART)
DEP_OPT(auth, leeway, APART)
DEP_OPT(auth, require_exp, APART)
DEP_OPT(auth, user_claim, APART)
DEP_OPT(auth, roles_claim, APART)
DEP_OPT(auth, token_cache, APART)
DEP_OPT(auth, api_keys, APART)
DEP_OPT(auth, api_key_header, APART)
DEP_OPT(auth, user_param, APART)
DEP_OPT(auth, roles_param, APART)
DEP_OPT(auth, cert_param, APART)
DEP_OPT(auth, cert_verify_param, APART)
DEP_OPT(auth, realm, APART)

DEP_OPT(log, level, APART)
DEP_OPT(log, file, APART)
DEP_OPT(log, access, APART)

DEP_DIR(route, SHAPES)
DEP_DIR(param, SHAPES)
DEP_DIR(returns, SHAPES)
DEP_DIR(choice, SHAPES)
DEP_DIR(timeout, APART)
DEP_DIR(slow, APART)
DEP_DIR(database, APART)
DEP_DIR(handler, SHAPES)
DEP_DIR(header, SHAPES)
DEP_DIR(status, SHAPES)
DEP_DIR(auth, SHAPES)
DEP_DIR(cache, SHAPES)
DEP_DIR(invalidates, APART)
DEP_DIR(limit, APART)
DEP_DIR(replica, APART)
DEP_DIR(priority, APART)
DEP_DIR(compress, APART)
DEP_DIR(stream, APART)
DEP_DIR(include, SHAPES)
DEP_DIR(idempotent, APART)
DEP_DIR(audit, APART)
DEP_DIR(set, SHAPES)
DEP_DIR(session, APART)
DEP_DIR(rls, SHAPES)

#undef DEP_OPT
#undef DEP_DIR
