/* identify: who asks. So far what the web server asserts in REMOTE_USER, which no client can set. */
#include "config.h"

#include "lib/base/utf8.h"
#include "workers/worker.h"

enum step_result step_identify(struct req *r)
{
	if (r->remote_user.n) {
		if (!utf8_is_valid(r->remote_user))
			return req_fail(r, E_bad_encoding, "REMOTE_USER is not valid UTF-8.");
		r->user = r->remote_user.p;
	}
	return STEP_NEXT;
}
