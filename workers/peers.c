#include "config.h"

#include "workers/peers.h"

#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define SAY_NS (10 * CLOCK_S)

void peers_init(struct peers *p, const struct opt_strings *allow, _Atomic uint64_t *n_refused)
{
	*p = (struct peers){.n_refused = n_refused};
	for (unsigned i = 0; i < allow->n; i++)
		if (!net_parse(slice_str(allow->v[i]), &p->v[p->n]))
			p->n++;
}

int peers_admit(struct peers *p, const struct sockaddr_storage *peer, uint64_t now_ns)
{
	char text[NET_TEXT];

	if (net_holds(p->v, p->n, peer))
		return 1;
	atomic_fetch_add_explicit(p->n_refused, 1, memory_order_relaxed);
	p->unsaid++;
	if (p->said_ns && now_ns < p->said_ns + SAY_NS)
		return 0;
	log_warn("%llu connection%s refused, from no network of listen_allow; the last from %s",
		 (unsigned long long)p->unsaid, p->unsaid == 1 ? "" : "s", net_show(peer, text));
	p->said_ns = now_ns;
	p->unsaid = 0;
	return 0;
}
