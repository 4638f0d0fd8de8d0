/* Every metric kept in shared memory. Read with MET_<scope>() defined; no guard.
 * MET_worker(kind, id, name, labels, sentence)    one value per worker number, for the whole process
 * MET_endpoint(kind, id, name, labels, sentence)  one value per worker number and endpoint
 * MET_process(kind, id, name, labels, sentence)   one value per process: weird, weir-monitor, each worker. They begin
 *                                                 again with the process
 * kind: counter (u64, never falls) · seconds (counter in ns, exported in seconds) · gauge (u64, of processes) ·
 *       histogram (log-linear, lib/shm/histo.h)
 * labels: fixed label text of this row, "" if none; rows of one name stand together.
 * Gauges of workers and pools live in the board and the slots, not here. */
#ifndef MET_worker
#define MET_worker(...)
#endif
#ifndef MET_endpoint
#define MET_endpoint(...)
#endif
#ifndef MET_process
#define MET_process(...)
#endif

MET_worker(counter, accepted, "weir_fcgi_connections_accepted_total", "", "Connections accepted from web servers.")
MET_worker(counter, accept_paused, "weir_fcgi_accept_paused_total", "", "Times accepting was paused because no descriptor was left.")
MET_worker(counter, proto_refused, "weir_fcgi_protocol_errors_total", "kind=\"refused\"", "FastCGI connections closed because of what the peer sent.")
MET_worker(counter, proto_disagree, "weir_fcgi_protocol_errors_total", "kind=\"disagree\"", "FastCGI connections closed because of what the peer sent.")
MET_worker(counter, proto_timeout, "weir_fcgi_protocol_errors_total", "kind=\"timeout\"", "FastCGI connections closed because of what the peer sent.")
MET_worker(counter, unmatched, "weir_http_unmatched_total", "", "Requests that no endpoint matched.")
MET_worker(counter, responses_shed, "weir_responses_shed_total", "", "Results and answers that were given up because of limits.responses.")
MET_worker(counter, client_gone, "weir_http_requests_failed_total", "reason=\"client_gone\"", "Requests that ended without a whole answer.")
MET_worker(counter, failed_timeout, "weir_http_requests_failed_total", "reason=\"timeout\"", "Requests that ended without a whole answer.")
MET_worker(counter, failed_overload, "weir_http_requests_failed_total", "reason=\"overload\"", "Requests that ended without a whole answer.")
MET_worker(counter, failed_db, "weir_http_requests_failed_total", "reason=\"upstream_db\"", "Requests that ended without a whole answer.")
MET_worker(counter, failed_internal, "weir_http_requests_failed_total", "reason=\"internal\"", "Requests that ended without a whole answer.")
MET_worker(seconds, busy, "weir_worker_busy_seconds_total", "", "Time the loop spent working, outside its poll.")
MET_worker(counter, turns, "weir_worker_loop_turns_total", "", "Turns of the loop.")
MET_worker(counter, db_connects_ok, "weir_db_connects_total", "result=\"ok\"", "Connection attempts to PostgreSQL.")
MET_worker(counter, db_connects_failed, "weir_db_connects_total", "result=\"error\"", "Connection attempts to PostgreSQL.")
MET_worker(histogram, db_connect, "weir_db_connect_duration_seconds", "", "Time until a new connection was usable.")
MET_worker(histogram, db_wait, "weir_db_pool_wait_seconds", "", "Time requests waited for a place in a lane or a connection.")
MET_worker(counter, db_pool_timeouts, "weir_db_pool_timeouts_total", "", "Requests whose deadline passed while they waited for a connection.")
MET_worker(counter, db_lost, "weir_db_connections_lost_total", "", "Connections that ended while a request was on them.")
MET_worker(counter, db_reruns, "weir_db_reruns_total", "", "Statements run a second time after a lost connection, a guard hit or a healed plan.")
MET_worker(counter, db_guard_hits, "weir_db_guard_hits_total", "", "Statements that met the express lane's guard.")
MET_worker(counter, db_healed, "weir_db_statements_healed_total", "", "Statements prepared again after DDL or DISCARD.")
MET_worker(counter, db_rolled_back, "weir_db_rolled_back_total", "", "Writes rolled back, since no answer could be made of them or it was too late.")
MET_worker(counter, db_cancels, "weir_db_cancels_total", "", "Queries that were cancelled.")
MET_worker(counter, auth_refused, "weir_auth_rejected_total", "reason=\"credential\"", "Requests refused for their credential, or for what it does not allow.")
MET_worker(counter, auth_forbidden, "weir_auth_rejected_total", "reason=\"forbidden\"", "Requests refused for their credential, or for what it does not allow.")
MET_worker(counter, cache_busy, "weir_cache_shard_busy_total", "", "Looks at a shard that found it held by a stopped or slow process, and were misses.")
MET_worker(counter, tier_hits, "weir_cache_l2_gets_total", "result=\"hit\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_misses, "weir_cache_l2_gets_total", "result=\"miss\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_timeouts, "weir_cache_l2_gets_total", "result=\"timeout\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_errors, "weir_cache_l2_gets_total", "result=\"error\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_off, "weir_cache_l2_gets_total", "result=\"off\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_late, "weir_cache_l2_gets_total", "result=\"late\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_cancelled, "weir_cache_l2_gets_total", "result=\"cancelled\"", "Keys asked of memcached; off: its node's breaker was open; late, cancelled: nobody waited any more.")
MET_worker(counter, tier_refused_written, "weir_cache_l2_refused_total", "reason=\"written\"", "Values from memcached that were not believed; written: a write under their tags was not seen by their snapshot; gap: events may have been missed; purged; foreign: of another key, build or server.")
MET_worker(counter, tier_refused_gap, "weir_cache_l2_refused_total", "reason=\"gap\"", "Values from memcached that were not believed; written: a write under their tags was not seen by their snapshot; gap: events may have been missed; purged; foreign: of another key, build or server.")
MET_worker(counter, tier_refused_purged, "weir_cache_l2_refused_total", "reason=\"purged\"", "Values from memcached that were not believed; written: a write under their tags was not seen by their snapshot; gap: events may have been missed; purged; foreign: of another key, build or server.")
MET_worker(counter, tier_refused_foreign, "weir_cache_l2_refused_total", "reason=\"foreign\"", "Values from memcached that were not believed; written: a write under their tags was not seen by their snapshot; gap: events may have been missed; purged; foreign: of another key, build or server.")
MET_worker(counter, tier_corrupt, "weir_cache_l2_corrupt_total", "", "Values from memcached that were broken; they are deleted.")
MET_worker(counter, tier_sets, "weir_cache_l2_sets_total", "result=\"sent\"", "Answers sent to memcached; dropped: its queue was full, or they were too large.")
MET_worker(counter, tier_sets_dropped, "weir_cache_l2_sets_total", "result=\"dropped\"", "Answers sent to memcached; dropped: its queue was full, or they were too large.")
MET_worker(counter, tier_held, "weir_cache_l2_xmin_held_total", "", "Answers not sent to memcached, since a transaction under way holds xmin below the last write under their tags.")
MET_worker(counter, tier_deletes, "weir_cache_l2_deletes_total", "result=\"ok\"", "Keys deleted in memcached.")
MET_worker(counter, tier_deletes_failed, "weir_cache_l2_deletes_total", "result=\"error\"", "Keys deleted in memcached.")
MET_worker(counter, tier_batches, "weir_cache_l2_batches_total", "", "Multi-gets sent to memcached.")
MET_worker(counter, tier_keys, "weir_cache_l2_batched_keys_total", "", "Keys in the multi-gets sent to memcached.")
MET_worker(counter, tier_probes, "weir_cache_l2_probes_total", "", "Probes of memcached nodes whose breaker was open.")
MET_worker(counter, tier_stuck, "weir_cache_l2_stuck_threads_total", "", "Threads left behind in a call to memcached that did not return.")
MET_worker(counter, log_dropped, "weir_log_dropped_total", "", "Access-log lines lost: the disk was full, or nobody read them.")

MET_process(gauge, resident, "process_resident_memory_bytes", "", "Resident memory of a process, with what it has touched of the shared memory; weird has touched all of it.")
MET_process(gauge, own, "process_private_memory_bytes", "", "Of it what is the process's own: neither shared memory nor mapped files.")
MET_process(seconds, cpu_user, "process_cpu_seconds_total", "mode=\"user\"", "CPU time of a process.")
MET_process(seconds, cpu_system, "process_cpu_seconds_total", "mode=\"system\"", "CPU time of a process.")

MET_endpoint(counter, status_2xx, "weir_http_requests_total", "code=\"2xx\"", "Requests by endpoint and class of status.")
MET_endpoint(counter, status_3xx, "weir_http_requests_total", "code=\"3xx\"", "Requests by endpoint and class of status.")
MET_endpoint(counter, status_4xx, "weir_http_requests_total", "code=\"4xx\"", "Requests by endpoint and class of status.")
MET_endpoint(counter, status_5xx, "weir_http_requests_total", "code=\"5xx\"", "Requests by endpoint and class of status.")
MET_endpoint(counter, request_bytes, "weir_http_request_bytes_total", "", "Bytes of request bodies.")
MET_endpoint(counter, response_bytes, "weir_http_response_bytes_total", "", "Bytes of response bodies.")
MET_endpoint(counter, rows, "weir_db_rows_total", "", "Rows that the endpoint's statements returned.")
MET_endpoint(counter, db_errors, "weir_db_errors_total", "", "Statements that failed by themselves, or whose connection was lost.")
MET_endpoint(counter, db_refused, "weir_db_refused_total", "", "Statements that the database refused for what they were given, or for its own state: neutral ones of the table of SQLSTATEs.")
MET_endpoint(counter, express_runs, "weir_db_queries_total", "lane=\"express\"", "Statements run, by lane.")
MET_endpoint(counter, exclusive_runs, "weir_db_queries_total", "lane=\"exclusive\"", "Statements run, by lane.")
MET_endpoint(counter, cache_hits, "weir_cache_requests_total", "result=\"hit\"", "Requests of cached endpoints, by how they were answered.")
MET_endpoint(counter, cache_tier_hits, "weir_cache_requests_total", "result=\"hit_l2\"", "Requests of cached endpoints, by how they were answered.")
MET_endpoint(counter, cache_stale, "weir_cache_requests_total", "result=\"stale\"", "Requests of cached endpoints, by how they were answered.")
MET_endpoint(counter, cache_misses, "weir_cache_requests_total", "result=\"miss\"", "Requests of cached endpoints, by how they were answered.")
MET_endpoint(counter, cache_collapsed, "weir_cache_collapsed_total", "", "Requests that waited for another one's query.")
MET_endpoint(counter, cache_stores, "weir_cache_stores_total", "", "Answers that entered the cache.")
MET_endpoint(counter, cache_refreshes, "weir_cache_refreshes_total", "", "Answers made anew behind a reply.")
MET_endpoint(counter, cache_variants, "weir_cache_variants_total", "", "Kept answers that were compressed for clients that accept it, once for each coding.")
MET_endpoint(counter, slow, "weir_db_slow_queries_total", "", "Requests slower than the endpoint's @slow.")
MET_endpoint(histogram, duration, "weir_http_request_duration_seconds", "", "Time from FastCGI BEGIN to the last byte of the response.")
MET_endpoint(histogram, db_duration, "weir_db_query_duration_seconds", "", "Time from sending a statement to its complete result.")
#undef MET_worker
#undef MET_endpoint
#undef MET_process
