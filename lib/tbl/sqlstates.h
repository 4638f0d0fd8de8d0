/* What an error of PostgreSQL means: for the client, the log, the endpoint's record, and whether the statement is run once
 * more. Read with SQLSTATE() defined; no guard. The first row counts whose prefix and condition fit.
 * SQLSTATE(prefix, when, error, log level, record, again, sentence)
 * when: ANY · BIND: the server was reading the value that the request gave to a parameter · VALUE: it was executing, and the
 *       request gave some value; not while it analysed the statement's text, nor (0A, 42, 55) that of a query inside a
 *       function, planned it or found a function, a view or a table unfit · CANCEL: the statement was cancelled, and neither by its deadline nor for its client
 * record: COUNTS against the endpoint, or NEUTRAL
 * again: ONCE: the statement is run a second time by itself, where the first one did nothing; NEVER */
SQLSTATE("08", ANY, db_down, LOG_WARN, NEUTRAL, NEVER, "The connection failed.")
SQLSTATE("23502", ANY, unprocessable, LOG_WARN, NEUTRAL, NEVER, "A null where none may be.")
SQLSTATE("23514", ANY, unprocessable, LOG_WARN, NEUTRAL, NEVER, "A check constraint does not hold.")
SQLSTATE("23", ANY, conflict, LOG_WARN, NEUTRAL, NEVER, "A unique, foreign key or exclusion constraint does not hold.")
SQLSTATE("25006", ANY, read_only, LOG_WARN, NEUTRAL, ONCE, "The database accepts no changes: a standby, or default_transaction_read_only.")
SQLSTATE("26000", ANY, sql, LOG_ERROR, COUNTS, ONCE, "A prepared statement is gone, as after DISCARD ALL.")
SQLSTATE("28", ANY, db_down, LOG_WARN, NEUTRAL, NEVER, "The database does not let the server's role in.")
SQLSTATE("40", ANY, serialization, LOG_WARN, COUNTS, ONCE, "The transaction lost against a concurrent one, or was the victim of a deadlock.")
SQLSTATE("42501", ANY, forbidden, LOG_WARN, NEUTRAL, NEVER, "The server's role lacks a privilege, or a row-level security policy refuses the row.")
SQLSTATE("42P05", ANY, sql, LOG_ERROR, COUNTS, ONCE, "The name of a prepared statement is taken.")
SQLSTATE("44", ANY, unprocessable, LOG_WARN, NEUTRAL, NEVER, "The row does not satisfy its view's check option.")
SQLSTATE("53", ANY, unavailable, LOG_WARN, NEUTRAL, NEVER, "The database has no more memory, disk or connections.")
SQLSTATE("55P03", ANY, timeout, LOG_WARN, COUNTS, NEVER, "A lock was not free in time.")
SQLSTATE("57014", CANCEL, cancelled, LOG_WARN, NEUTRAL, ONCE, "The statement was cancelled in the database, as by pg_cancel_backend; a read is run again.")
SQLSTATE("57014", ANY, timeout, LOG_WARN, COUNTS, NEVER, "The deadline has passed.")
SQLSTATE("57", ANY, db_down, LOG_WARN, NEUTRAL, ONCE, "The database stops, starts or closed the connection.")
SQLSTATE("58", ANY, unavailable, LOG_WARN, NEUTRAL, NEVER, "The database's system failed.")
SQLSTATE("P0001", ANY, unprocessable, LOG_WARN, NEUTRAL, NEVER, "RAISE EXCEPTION; its message is the detail.")
SQLSTATE("P0002", ANY, no_row, LOG_WARN, NEUTRAL, NEVER, "No data found, as of SELECT INTO STRICT.")
SQLSTATE("", BIND, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "The type of a parameter does not take its value; the document names the parameter.")
SQLSTATE("0A", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value asks for what PostgreSQL cannot do, as a unit of date_trunc that its type has not.")
SQLSTATE("20", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "No branch of a function's CASE is for a value.")
SQLSTATE("21", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "Values lead to several rows where one may be, as one id twice in ON CONFLICT DO UPDATE.")
SQLSTATE("22", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value is out of range or malformed; which one is not known.")
SQLSTATE("39000", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value does not suit an extension's function, as pgcrypto's.")
SQLSTATE("3D", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value names a database that does not exist.")
SQLSTATE("3F", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value names a schema that does not exist.")
SQLSTATE("42", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value has an error of syntax or names what does not exist, as in to_tsquery or a cast to regclass.")
SQLSTATE("54", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value makes the result too large or too deep.")
SQLSTATE("55000", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value names what is not in the state for it, as a sequence for currval.")
SQLSTATE("55P02", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "A value names a setting that cannot be changed now.")
SQLSTATE("P0003", VALUE, bad_parameter, LOG_WARN, NEUTRAL, NEVER, "Values lead to several rows, as of SELECT INTO STRICT.")
SQLSTATE("", ANY, sql, LOG_ERROR, COUNTS, NEVER, "The endpoint's statement is broken, or a function that it calls.")
#undef SQLSTATE
