#include "config.h"

#include "workers/problem.h"

#include "lib/json/jw.h"
#include "workers/reqid.h"
#include "workers/worker.h"

void problem_write(const struct req *r, struct buf *out)
{
	const struct err_row *row = err_row(r->error);
	struct jw w;
	char text[64 + REQID_ROOM], id[REQID_ROOM];

	jw_init(&w, out);
	jw_object(&w);
	jw_key(&w, "type");
	snprintf(text, sizeof(text), "urn:weir:error:%s", row->code);
	jw_str(&w, text);
	jw_key(&w, "title");
	jw_str(&w, row->title);
	jw_key(&w, "status");
	jw_i64(&w, row->status);
	if (r->detail) {
		jw_key(&w, "detail");
		jw_visible(&w, slice_str(r->detail));	/* may be an exception's text, of any server */
	}
	jw_key(&w, "code");
	jw_str(&w, row->code);
	jw_key(&w, "instance");
	snprintf(text, sizeof(text), "urn:weir:request:%s", reqid_text(r, id));
	jw_str(&w, text);
	jw_key(&w, "retryable");
	jw_bool(&w, row->is_retryable && !r->is_outcome_unknown && (!r->run || r->run->ep->method == HTTP_GET || row->status == 503));
	if (r->retry_after_s) {
		jw_key(&w, "retry_after_ms");
		jw_u64(&w, r->retry_after_s * 1000u);
	}
	if (r->error == E_outcome_unknown || r->is_outcome_unknown) {
		jw_key(&w, "outcome");
		jw_str(&w, "unknown");
	}
	if (r->n_faults) {
		jw_key(&w, "errors");
		jw_array(&w);
		for (unsigned i = 0; i < r->n_faults; i++) {
			jw_object(&w);
			jw_key(&w, "parameter");
			jw_str(&w, r->faults[i].name);
			if (r->faults[i].source) {
				jw_key(&w, "in");
				jw_str(&w, r->faults[i].source);
			}
			jw_key(&w, "expected");
			jw_str(&w, r->faults[i].detail);
			jw_object_end(&w);
		}
		jw_array_end(&w);
	}
	jw_object_end(&w);
	buf_addc(out, '\n');
}
