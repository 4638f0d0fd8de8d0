/* Every status that libpq can give, and what it means to who sent statements in a pipeline. What nothing here asks for
 * (COPY, single rows, an empty statement, a status that this libpq does not have) comes from a server, or somebody in
 * between, that does not do what it was told: nothing more of that connection is believed. In the COPY states
 * PQgetResult says the same for ever, so they must never be waited out. */
#include "config.h"

#include "lib/pg/db_priv.h"

enum db_result_kind db_result_kind(const PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		return DB_R_RESULT;
	case PGRES_FATAL_ERROR:
		return DB_R_ERROR;
	case PGRES_PIPELINE_ABORTED:
		return DB_R_ABORTED;
	case PGRES_PIPELINE_SYNC:
		return DB_R_SYNC;
	case PGRES_EMPTY_QUERY:
	case PGRES_SINGLE_TUPLE:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
#ifdef LIBPQ_HAS_CHUNK_MODE
	case PGRES_TUPLES_CHUNK:
#endif
	default:
		return DB_R_STRANGE;
	}
}

const char *db_cell(const PGresult *res, int row, int column)
{
	return row < PQntuples(res) && column < PQnfields(res) ? PQgetvalue(res, row, column) : "";
}
