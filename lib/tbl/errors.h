/* Every error that leaves a function or reaches a client. Read with ERR() defined; no guard.
 * ERR(id, HTTP status, log level, retryable, title for the client)
 * The id is the stable "code" of the problem document (RFC 9457). ERR_OWN: of programs and commands, never the answer
 * to a request; the same to a reader that defines ERR alone. */
#ifndef ERR_OWN
#define ERR_OWN ERR
#endif
ERR(internal, 500, LOG_ERROR, 0, "Internal error.")
ERR(no_memory, 503, LOG_ERROR, 1, "Out of memory.")
ERR_OWN(io, 500, LOG_ERROR, 0, "Input or output failed.")
ERR_OWN(config, 500, LOG_ERROR, 0, "The configuration is not valid.")
ERR_OWN(endpoint_file, 500, LOG_ERROR, 0, "An endpoint file is not valid.")
ERR_OWN(usage, 500, LOG_ERROR, 0, "The command was not understood.")
ERR_OWN(not_allowed, 403, LOG_WARN, 0, "Not allowed.")
ERR(bad_request, 400, LOG_INFO, 0, "The request is malformed.")
ERR(bad_parameter, 400, LOG_INFO, 0, "A parameter is missing, unknown or has a bad value.")
ERR(bad_json, 400, LOG_INFO, 0, "The request body is not valid JSON.")
ERR(bad_encoding, 400, LOG_INFO, 0, "The request holds bytes that are not valid UTF-8, or a NUL.")
ERR(unauthenticated, 401, LOG_INFO, 0, "This endpoint needs an authenticated user.")
ERR(invalid_token, 401, LOG_INFO, 0, "The token or key that was sent is not accepted.")
ERR(forbidden, 403, LOG_INFO, 0, "Access is denied.")
ERR(not_found, 404, LOG_DEBUG, 0, "There is no such resource.")
ERR(no_row, 404, LOG_DEBUG, 0, "There is no such row.")
ERR(method_not_allowed, 405, LOG_INFO, 0, "The resource does not support this method.")
ERR(not_acceptable, 406, LOG_INFO, 0, "No representation that the client accepts.")
ERR(request_timeout, 408, LOG_INFO, 1, "The request did not arrive in time.")
ERR(conflict, 409, LOG_INFO, 0, "The change conflicts with existing data.")
ERR(serialization, 409, LOG_INFO, 1, "The change lost against a concurrent one.")
ERR(precondition_failed, 412, LOG_INFO, 0, "The condition of the request does not hold.")
ERR(too_large, 413, LOG_INFO, 0, "The request body is too large.")
ERR(uri_too_long, 414, LOG_INFO, 0, "The request target is too long.")
ERR(unsupported_media_type, 415, LOG_INFO, 0, "The body must be JSON.")
ERR(unprocessable, 422, LOG_INFO, 0, "The database refused the values.")
ERR(headers_too_large, 431, LOG_INFO, 0, "The request headers are too large.")
ERR(sql, 500, LOG_ERROR, 0, "The endpoint's statement failed.")
ERR(unavailable, 503, LOG_WARN, 1, "The service is not available at the moment.")
ERR(db_down, 503, LOG_WARN, 1, "The database is not reachable.")
ERR(overloaded, 503, LOG_WARN, 1, "Too many requests are waiting.")
ERR(outcome_unknown, 503, LOG_ERROR, 0, "The connection was lost while the change was committed; whether it happened is not known.")
ERR(not_cached, 504, LOG_DEBUG, 0, "The answer is not in the cache, and the request wants no other (only-if-cached).")
ERR(timeout, 504, LOG_WARN, 1, "The request took longer than its deadline.")
#undef ERR_OWN
#undef ERR
