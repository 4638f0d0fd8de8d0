/* identify: who asks. A credential that is sent and not accepted is a 401 whatever the endpoint: nobody is
 * silently taken for a stranger. */
#include "config.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "workers/worker.h"

/* Once for the instance: the web server names users, and nobody listens. */
static void tell_unread(struct worker *w)
{
	auth_forget_unread(w->auth);
	if (!atomic_exchange(&w->region.h->has_told_user, 1))
		log_warn("the web server sends REMOTE_USER, and auth { user_param } is empty: nobody is known by it; "
			 "doc/identity.md says when it may be believed");
}

enum step_result step_identify(struct req *r)
{
	struct auth *a = r->w->auth;
	struct auth_input in = {{{NULL, 0}}};
	const char *why = NULL;
	int64_t now_s = 0;

	for (unsigned i = 0; i < r->n_params; i++)
		auth_take(a, &in, r->params[i].name, r->params[i].value);
	if (unlikely(in.v[AUTH_N_UNREAD].n))
		tell_unread(r->w);
	if (in.v[AUTH_N_AUTHORIZATION].n)
		now_s = (int64_t)(clock_wall_us() / 1000000);
	switch (auth_identify(a, &in, now_s, &r->arena, &r->id, &why)) {
	case AUTH_ANONYMOUS:
		return STEP_NEXT;
	case AUTH_IDENTIFIED:
		r->user = r->id->user;
		return STEP_NEXT;
	case AUTH_AMBIGUOUS:
		return req_fail(r, E_bad_request, "Both a bearer token and an API key were sent; one is expected.");
	case AUTH_REFUSED:
		break;
	}
	metric_add(&r->w->metrics->auth_refused, 1);
	r->auth_why = why;
	return req_fail(r, E_invalid_token, arena_fmt(&r->arena, "The credential was refused: %s.", why));
}
