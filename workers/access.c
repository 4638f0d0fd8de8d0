/* The access log: one JSON line a request, gathered during a turn of the loop, one append per turn. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/json/jw.h"
#include "workers/worker.h"

#define ACCESS_MAX (1u << 20)

int access_open(struct worker *w)
{
	const char *path = w->snapshot.options.log.access;

	if (w->access_fd >= 0)
		close(w->access_fd);
	w->access_fd = -1;
	if (!path || !*path)
		return 0;
	w->access_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (w->access_fd < 0) {
		log_error("access log %s: %s, going on without it", path, strerror(errno));
		return -errno;
	}
	return 0;
}

void access_line(struct worker *w, const struct req *r)
{
	char when[32];
	struct jw j;

	if (w->access.n > ACCESS_MAX)
		return;
	clock_format_wall(clock_wall_us(), when);
	jw_init(&j, &w->access);
	jw_object(&j);
	jw_key(&j, "time");
	jw_str(&j, when);
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
	jw_u64(&j, r->out.n);
	jw_key(&j, "us");
	jw_u64(&j, (clock_mono_ns() - r->t0_ns) / 1000);
	jw_key(&j, "db_us");
	jw_u64(&j, r->q.done_ns > r->q.sent_ns ? (r->q.done_ns - r->q.sent_ns) / 1000 : 0);
	jw_object_end(&j);
	buf_addc(&w->access, '\n');
}

void access_flush(struct worker *w)
{
	if (w->access.n && w->access_fd >= 0 && write(w->access_fd, w->access.p, w->access.n) < 0)
		metric_add(&w->metrics->log_dropped, 1);
	buf_clear(&w->access);
}
