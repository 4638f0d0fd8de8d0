#include "config.h"

#include "workers/trouble.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/sqlstate.h"
#include "lib/shm/region.h"
#include "workers/reqid.h"
#include "workers/worker.h"

/* The server's sentence may quote the client: it stands last, so that it can feign no field, and the log escapes it. */
static void say(const struct req *r, enum err_id id, int level, uint64_t unsaid)
{
	const struct endpoint *ep = r->run ? r->run->ep : NULL;
	const char *text = r->q.text[0] ? r->q.text : r->detail ? r->detail : "";
	char place[400] = "", more[64] = "", id_text[REQID_ROOM];

	if (ep && r->run->pool)
		snprintf(place, sizeof(place), " at %.300s:%u", ep->file, ep->variants[r->variant].line);
	if (unsaid)
		snprintf(more, sizeof(more), " (and %llu more since the last such line)", (unsigned long long)unsaid);
	log_at((enum log_level)level, "request %s %.*s %.*s: %d %s%s%s%s%s endpoint=%s%s%s%s%s",
	       reqid_text(r, id_text), SLICE_ARG(r->method_text), SLICE_ARG(r->path), r->status ? r->status : err_row(id)->status, err_row(id)->code,
	       r->q.sqlstate[0] ? " sqlstate=" : "", r->q.sqlstate, r->q.constraint[0] ? " constraint=" : "",
	       r->q.constraint, ep ? ep->id : "-", place, more, *text ? ": " : "", text);
}

void trouble_log(const struct req *r, uint64_t now_ns)
{
	enum err_id id = r->error ? r->error : r->rescued;
	uint64_t unsaid = 0;
	char kind[16], id_text[REQID_ROOM];

	if (id) {
		const struct sqlstate_row *row = id == r->q.error ? r->q.row : NULL;
		int level = row ? row->level : err_row(id)->level;

		if (row)
			snprintf(kind, sizeof(kind), "%s", r->q.sqlstate);
		else
			snprintf(kind, sizeof(kind), "-%u", (unsigned)id);
		if (level <= LOG_WARN &&
		    (!r->run || !r->run->shared || said_may(r->run->shared->said, kind, now_ns / CLOCK_MS, &unsaid)))
			say(r, id, level, unsaid);
	}
	if (r->conn && r->run && r->run->slow_ns && now_ns - r->t0_ns > r->run->slow_ns)
		log_warn("slow request %s endpoint=%s took=%llums limit=%llums", reqid_text(r, id_text), r->run->ep->id,
			 (unsigned long long)((now_ns - r->t0_ns) / CLOCK_MS),
			 (unsigned long long)(r->run->slow_ns / CLOCK_MS));
}
