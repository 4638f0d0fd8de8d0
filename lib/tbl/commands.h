/* Words of the control socket. Read with CMD() defined; no guard.
 * CMD(id, word, arguments, min, max, role, sentence)   role: user, operator, admin */
CMD(cache, "cache", "[keys ENDPOINT | get KEY | purge all|endpoint ID|tag TAG|key KEY [soft] | node NAME open|close|auto]", 0, 4, user, "Show the cache: sizes, hits by endpoint, memcached; list, show or purge entries; force the breaker of a memcached node (purge and node need the operator).")
CMD(check, "check", "[offline]", 0, 1, operator, "Read and test the configuration as it is on disk now; nothing changes.")
CMD(config, "config", "", 0, 0, user, "Show the running configuration.")
CMD(database, "database", "", 0, 0, user, "Show each database: reachable or why not, role, pool.")
CMD(endpoints, "endpoints", "", 0, 0, user, "Show each endpoint with its traffic and latency.")
CMD(help, "help", "[WORD]", 0, 1, user, "Show the commands, or one of them.")
CMD(info, "info", "", 0, 0, user, "Show version, generation, uptime, workers and queue.")
CMD(log, "log", "level error|warning|info|debug", 2, 2, operator, "Change the log level until the next reload.")
CMD(metrics, "metrics", "[openmetrics]", 0, 1, user, "Print all metrics as Prometheus text (0.0.4), or as OpenMetrics 1.0.")
CMD(ping, "ping", "", 0, 0, user, "Answer pong.")
CMD(reload, "reload", "", 0, 0, operator, "Read the configuration again and replace the workers one by one; answers when done.")
CMD(stop, "stop", "[graceful|fast]", 0, 1, admin, "Stop weird.")
CMD(version, "version", "", 0, 0, user, "Print the version.")
CMD(workers, "workers", "", 0, 0, user, "Show each process: state, pid, traffic, memory.")
#undef CMD
