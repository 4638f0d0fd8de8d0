/* db_utility: what a statement that is no query needs, as far as its text shows, for weird -t.
 * Pure; of the library itself. Layer: lib/pg. */
#ifndef WEIR_PG_DB_UTILITY_H
#define WEIR_PG_DB_UTILITY_H

#define DB_UTILITY_NAMES 8u	/* of one statement; further ones are not looked at */

enum db_need {
	DB_NEED_NOTHING, DB_NEED_TRUNCATE, DB_NEED_OWNER, DB_NEED_DROP,
	DB_NEED_REFRESH, DB_NEED_CREATE
};

struct db_utility {
	const char *query;	/* in sql: the part that can be planned in its place, EXPLAIN's, CREATE TABLE AS's; or NULL */
	enum db_need need;	/* of each of names */
	char names[DB_UTILITY_NAMES][200];
	unsigned n;
};

/* sql: with $1 for :name. It must outlive u. */
void db_utility_read(const char *sql, struct db_utility *u);
/* The question whether the role has it, $1 the name; its answer may be null: not known. NULL: there is nothing to ask. */
const char *db_utility_question(enum db_need need);
/* It is had by owners, and cannot be granted by itself. */
int db_utility_is_owners(enum db_need need);
/* What is said, in front of the name, when the answer is no. */
const char *db_utility_denial(enum db_need need);

#endif
