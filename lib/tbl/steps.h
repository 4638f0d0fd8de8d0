/* A request's way, in order. Read with STEP() defined; no guard. STEP(id, sentence) */
STEP(gate, "Records are framed and checked until the parameter list is whole.")
STEP(parse, "Method, path, query string and headers are read.")
STEP(identify, "Who is asking.")
STEP(route, "Method and path choose the endpoint; access is checked.")
STEP(body, "The body is awaited and parsed; parameters are checked.")
STEP(cache, "A fresh answer is looked for in the cache, or somebody else's query waited for.")
STEP(admit, "A place in a lane or a connection is waited for.")
STEP(query, "The statement runs.")
STEP(render, "Rows become JSON.")
STEP(store, "The answer enters the cache; who waits for it is woken.")
STEP(reply, "Status, headers and body are written.")
STEP(account, "Metrics, logs, memory.")
#undef STEP
