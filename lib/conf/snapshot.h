/* snapshot: the configuration that was validated, as bytes in a sealed memfd: weir.conf, the files of
 * keys that its auth block names, and every endpoint file. Children parse these bytes and never the files, which may have changed since.
 * Owner: snapshot_done. Layer: lib/conf. */
#ifndef WEIR_CONF_SNAPSHOT_H
#define WEIR_CONF_SNAPSHOT_H

#include <stdint.h>

#include "lib/conf/auth_files.h"
#include "lib/conf/endpoint.h"
#include "lib/conf/options.h"

struct snapshot {
	uint32_t generation;
	char *conf_path;		/* as given on the command line, for messages */
	struct options options;
	struct auth_files auth;
	struct endpoints endpoints;
	struct buf bytes;		/* the serialized form */
};

/* Read conf_path and the endpoint folder it names, validate all; what is valid and does not do what it says (directives that
 * are only kept) is a warning in errs. 0, or the number of errors in errs.
 * s must be freed with snapshot_done in either case. */
int snapshot_load(struct snapshot *s, const char *conf_path, struct errs *errs);
/* Parse the serialized form in fd (a memfd), or -id with errs. */
int snapshot_open(struct snapshot *s, int fd, struct errs *errs);
/* Give each endpoint its row number: metric_of[i] for endpoints.v[i]; then serialize again. */
void snapshot_assign(struct snapshot *s, uint32_t generation, const unsigned *metric_of);
/* A sealed memfd (F_SEAL_SHRINK|GROW|WRITE|SEAL) with s->bytes, CLOEXEC; -errno. */
int snapshot_memfd(const struct snapshot *s);
void snapshot_done(struct snapshot *s);

#endif
