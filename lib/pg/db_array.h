/* db_array: PostgreSQL's array literals. A client never writes one; they are made of what it sent, or stand in an
 * endpoint's file as a default.
 * Pure. Layer: lib/pg. */
#ifndef WEIR_PG_DB_ARRAY_H
#define WEIR_PG_DB_ARRAY_H

#include "lib/base/buf.h"
#include "lib/base/slice.h"

#define DB_ARRAY_MAX_DIMS 6	/* PostgreSQL's MAXDIM */

/* Append one element, always quoted: no text is taken for NULL, for a brace or for a delimiter. */
void db_array_item(struct buf *out, struct slice text);
void db_array_null(struct buf *out);
/* Call each for every element of a literal in order, those of inner arrays too; an element's text is valid during the
 * call, p NULL for a null one. 0; what each returned if that was not 0; or -1: text is no literal, or one with bounds ("[0:1]={…}"). That
 * inner arrays are of one length is the server's to see. */
int db_array_each(struct slice literal, char delim, int (*each)(void *ctx, struct slice item), void *ctx) MUST_USE;

#endif
