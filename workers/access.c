/* The access log: one JSON line a request, gathered during a turn of the loop, one append per turn. */
#include "config.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/json/jw.h"
#include "workers/reqid.h"
#include "workers/worker.h"

#define ACCESS_MAX (1u << 20)

int access_open(struct worker *w)
{
	const char *path = w->snapshot.options.log.access;
	int rc;

	if (!path || !*path) {
		logfile_close(&w->access_file);
		return 0;
	}
	rc = logfile_open(&w->access_file, path);
	if (rc) {
		log_error("access log %s: %s, going on without it", path, strerror(-rc));
		logfile_close(&w->access_file);
		return rc;
	}
	if (w->access_file.is_unread)
		log_warn("access log %s: nobody reads this pipe yet; what does not fit into it is lost and counted", path);
	return 0;
}

/* Said once a minute: the disk that is full may be that of our own log. */
static void lost(struct worker *w, size_t lines)
{
	metric_add(&w->metrics->log_dropped, lines);
	w->access_lost += lines;
	if (w->access_told_ns && w->front.now_ns - w->access_told_ns < 60 * CLOCK_S)
		return;
	w->access_told_ns = w->front.now_ns;
	log_error("access log %s: %s; %zu lines are lost", w->snapshot.options.log.access,
		  strerror(w->access_file.why), w->access_lost);
	w->access_lost = 0;
}

void access_line(struct worker *w, const struct req *r)
{
	char when[32], id[REQID_ROOM];
	struct jw j;

	if (w->access.n > ACCESS_MAX) {
		lost(w, 1);
		return;
	}
	clock_format_wall(clock_wall_us(), when);
	jw_init(&j, &w->access);
	jw_object(&j);
	jw_key(&j, "time");
	jw_str(&j, when);
	jw_key(&j, "request");
	jw_slice(&j, slice_of(id, reqid_put(r, id)));
	if (r->trace_id.n) {
		jw_key(&j, "trace");
		jw_slice(&j, r->trace_id);
	}
	jw_key(&j, "remote");
	jw_visible(&j, r->remote_addr);
	jw_key(&j, "user");
	if (r->user)
		jw_visible(&j, slice_str(r->user));
	else
		jw_null(&j);
	jw_key(&j, "method");
	jw_visible(&j, r->method_text);
	jw_key(&j, "uri");
	jw_visible(&j, r->uri);
	jw_key(&j, "endpoint");
	jw_str(&j, r->run ? r->run->ep->id : NULL);
	jw_key(&j, "status");
	jw_i64(&j, r->conn ? r->status : 499);
	jw_key(&j, "bytes");
	jw_u64(&j, req_body_n(r));
	jw_key(&j, "us");
	jw_u64(&j, (clock_mono_ns() - r->t0_ns) / 1000);
	jw_key(&j, "db_us");
	jw_u64(&j, r->q.done_ns > r->q.sent_ns ? (r->q.done_ns - r->q.sent_ns) / 1000 : 0);
	jw_object_end(&j);
	buf_addc(&w->access, '\n');
}

void access_flush(struct worker *w)
{
	size_t lines;

	if (w->access.n && w->access_file.fd >= 0 &&
	    (lines = logfile_write(&w->access_file, w->access.p, w->access.n, 0)) != 0)
		lost(w, lines);
	buf_clear(&w->access);
}
