/* conninfo: a connection string of libpq as it may be told to people. libpq's own words quote what it does not understand,
 * and where a '@' or a quote was forgotten that is the password. Here it is read as libpq reads it, and part by part only
 * what is plainly no password is shown. The one place that decides this.
 * Pure functions. Layer: lib/conf. */
#ifndef WEIR_CONF_CONNINFO_H
#define WEIR_CONF_CONNINFO_H

#include "lib/base/buf.h"

enum conninfo_fault {
	CONNINFO_FINE,
	CONNINFO_UNREADABLE,	/* libpq cannot read it either, or knows a word that this list does not */
	CONNINFO_NO_PLACE	/* host, hostaddr or port can lead nowhere */
};

/* May the value of this option stand in a log? Of a host: a name, an address or a path; of a port: five digits; of a name:
 * nothing that separates parts of a connection string. Never a password's, nor an unknown option's. */
int conninfo_is_plain(const char *key, const char *value);
/* The string without passwords. Values that are not plain are "(set)"; all of it, if it is a URI or cannot be read. */
void conninfo_show(const char *conninfo, struct buf *out);
/* What is wrong with it, in words that quote nothing of it but a mistyped option's name. */
enum conninfo_fault conninfo_fault(const char *conninfo, struct buf *ret_why);

#endif
