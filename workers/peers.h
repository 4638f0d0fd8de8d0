/* peers: who may connect to a listener that other hosts can reach (listen_allow): a FastCGI peer is believed whatever it
 * says of its caller, so it is asked where it is before its first byte.
 * Owner: the front. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_PEERS_H
#define WEIR_WORKERS_PEERS_H

#include <stdint.h>

#include "lib/base/net.h"
#include "lib/conf/options.h"

struct peers {
	struct net v[OPTIONS_MAX_LIST];
	unsigned n;
	_Atomic uint64_t *n_refused;	/* of the instance, for the metric */
	uint64_t said_ns, unsaid;
};

/* allow: as options_check has seen it. */
void peers_init(struct peers *p, const struct opt_strings *allow, _Atomic uint64_t *n_refused);
/* 1, or 0: counted, and logged, the first at once and then one line for all of ten seconds. */
int peers_admit(struct peers *p, const struct sockaddr_storage *peer, uint64_t now_ns);

#endif
