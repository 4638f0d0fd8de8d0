/* See fcgi_req.h. The gate has framed and checked the list, so our own walk over it is all that a
 * request needs; libfcgi is the second opinion. Asking it for every request cost 1.2 us of system
 * calls (the memfd) and 6,500 of 15,600 instructions of an answer without database work, a fifth of
 * its CPU, and it can never find anything but that both agree. So it reads the first requests of a
 * process and one in CHECK_EVERY after; each of them in a build with sanitizers.
 *
 * libfcgi reads each request from one memfd that is written over again and again. Bytes of
 * an older, longer request lie behind the end of a shorter one, which libfcgi would read on into,
 * so the empty PARAMS record is always written with the request; cutting the file short would cost
 * 0.4 µs. With ipcFd set it does not accept; with listen_sock -1 its error path gets EBADF instead
 * of waiting; with keepConnection and detached set neither its clean-up nor its error path lingers
 * on the descriptor. */
#include "config.h"

#include "lib/fcgi/fcgi_req.h"

#include "lib/base/check.h"
#include "lib/fcgi/gate.h"
#include "lib/fcgi/nameset.h"
#include "lib/fcgi/record.h"

#include <errno.h>
#include <fcgiapp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHECK_FIRST 64u
#ifdef WEIR_SANITIZED
#define CHECK_EVERY 1u
#else
#define CHECK_EVERY 256u
#endif

struct fcgi_req {
	FCGX_Request r;
	uint64_t n; /* requests parsed */
	unsigned check_every;
	int fd; /* -1: to be made again */
};

static int open_memfd(struct fcgi_req *f)
{
	f->fd = memfd_create("weir-request", MFD_CLOEXEC);
	return f->fd < 0 ? -1 : 0;
}

struct fcgi_req *fcgi_req_new(struct err *e)
{
	struct fcgi_req *f;

	if (FCGX_Init()) {
		err_set(e, E_internal, "libfcgi could not be initialised");
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		err_set(e, E_no_memory, "no memory for the request parser");
		return NULL;
	}
	f->check_every = CHECK_EVERY;
	FCGX_InitRequest(&f->r, -1, 0);
	if (open_memfd(f)) {
		err_set(e, E_io, "memfd_create: %s", strerror(errno));
		free(f);
		return NULL;
	}
	return f;
}

void fcgi_req_free(struct fcgi_req **f)
{
	if (!*f)
		return;
	(*f)->r.ipcFd = -1;
	FCGX_Free(&(*f)->r, 0);
	if ((*f)->fd >= 0)
		close((*f)->fd);
	free(*f);
	*f = NULL;
}

/* BEGIN, the list as one PARAMS record, the empty one: one write at 0. */
static int feed(struct fcgi_req *f, uint16_t id, struct slice params)
{
	unsigned char front[RECORD_HEADER + 8 + RECORD_HEADER] = {0}, back[RECORD_HEADER];
	union {
		const char *in;
		void *out;
	} list = {params.p};
	struct iovec iov[3] = {{front, sizeof(front)}, {list.out, params.n}, {back, sizeof(back)}};
	ssize_t n;

	record_put(front, FCGI_BEGIN_REQUEST, id, 8);
	front[RECORD_HEADER + 1] = FCGI_RESPONDER;
	front[RECORD_HEADER + 2] = FCGI_KEEP_CONN;
	record_put(front + RECORD_HEADER + 8, FCGI_PARAMS, id, params.n);
	record_put(back, FCGI_PARAMS, id, 0);
	n = pwritev(f->fd, iov, 3, 0);
	if (n != (ssize_t)(sizeof(front) + params.n + sizeof(back)))
		return -1;
	return lseek(f->fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

/* End libfcgi's request. When it did not go well its state is not trusted: the memfd is made anew.
 */
static void drop(struct fcgi_req *f, int is_good)
{
	int fd = f->r.ipcFd; /* -1 when libfcgi closed it */

	f->r.ipcFd = -1;
	FCGX_Free(&f->r, 0);
	if (is_good)
		return;
	if (fd >= 0)
		close(fd);
	f->fd = -1;
	FCGX_InitRequest(&f->r, -1, 0);
}

/* A NUL within the list would end libfcgi's string early: its length is part of the comparison. */
static int is_entry(const char *entry, struct slice name, struct slice value)
{
	return strlen(entry) == name.n + 1 + value.n && memcmp(entry, name.p, name.n) == 0 &&
	       entry[name.n] == '=' && memcmp(entry + name.n + 1, value.p, value.n) == 0;
}

/* The values of a header that came more than once, in the order they came. Cookies have a separator
 * of their own (RFC 9113 8.2.3). */
static void join(struct fcgi_param *p, struct slice more, struct arena *a)
{
	const char *by = slice_eq(p->name, SLICE("HTTP_COOKIE")) ? "; " : ", ";
	size_t n = p->value.n + 2 + more.n;
	char *joined = arena_alloc(a, n + 1);

	memcpy(joined, p->value.p, p->value.n);
	memcpy(joined + p->value.n, by, 2);
	memcpy(joined + p->value.n + 2, more.p, more.n);
	joined[n] = '\0';
	p->value = slice_of(joined, n);
}

/* libfcgi's environment is the list, byte for byte. */
static int agrees(char **envp, struct slice params)
{
	struct slice name, value;
	int rc;

	while ((rc = gate_next_pair(&params, &name, &value)) > 0) {
		const char *entry = *envp++;

		if (!entry || !is_entry(entry, name, value))
			return 0;
	}
	return rc == 0 && !*envp;
}

/* The list into one block of the arena. Only a client's header may have come twice: the gate has seen to that. -1:
 * malformed. */
static int copy(struct slice params, unsigned n, struct arena *a, struct fcgi_param **ret,
		unsigned *ret_n)
{
	struct slice name, value;
	struct nameset seen;
	struct fcgi_param *list;
	uint16_t place[NAMESET_MAX];	/* in list, of what is seen */
	unsigned at = 0;
	char *text;
	int rc, k;

	/* Two length bytes of each pair pay for two NULs. */
	list = arena_alloc(a, n * sizeof(*list) + params.n);
	text = (char *)(list + n);
	nameset_init(&seen);
	while ((rc = gate_next_pair(&params, &name, &value)) > 0) {
		/* Some servers pass the header "Proxy:" on, which libraries take for a setting. */
		if (slice_eq(name, SLICE("HTTP_PROXY")))
			continue;
		if (slice_starts(name, SLICE("HTTP_"))) {
			k = nameset_add(&seen, name);
			if (unlikely(k >= 0)) {
				join(list + place[k], value, a);
				continue;
			}
			place[seen.n - 1] = (uint16_t)at;
		}
		memcpy(text, name.p, name.n);
		text[name.n] = '\0';
		memcpy(text + name.n + 1, value.p, value.n);
		text[name.n + 1 + value.n] = '\0';
		list[at++] = (struct fcgi_param){{text, name.n}, {text + name.n + 1, value.n}};
		text += name.n + 1 + value.n + 1;
	}
	if (rc)
		return -1;
	*ret = list;
	*ret_n = at;
	return 0;
}

/* Does libfcgi read the same? 0, -E_bad_request, -E_io. */
static int second_opinion(struct fcgi_req *f, uint16_t id, struct slice params)
{
	int is_good;

	if (f->fd < 0 && open_memfd(f))
		return -E_io;
	f->r.ipcFd = f->fd;
	if (feed(f, id, params)) {
		drop(f, 0);
		return -E_io;
	}
	f->r.keepConnection = 1;
	f->r.detached = 1;
	f->r.listen_sock = -1;
	/* envp[0] is FCGI_ROLE, put there by libfcgi. */
	is_good = FCGX_Accept_r(&f->r) == 0 && FCGX_GetError(f->r.in) == 0 &&
		  f->r.requestId == id && f->r.envp && f->r.envp[0] &&
		  agrees(f->r.envp + 1, params);
	drop(f, is_good);
	return is_good ? 0 : -E_bad_request;
}

void fcgi_req_check_all(struct fcgi_req *f)
{
	f->check_every = 1;
}

int fcgi_req_parse(struct fcgi_req *f, uint16_t id, struct slice params, struct arena *a,
		   struct fcgi_param **ret, unsigned *ret_n)
{
	struct slice rest = params, name, value;
	unsigned n = 0;
	int rc;

	check(params.n <= GATE_MAX_PARAMS && id != 0);
	if (f->n < CHECK_FIRST || f->n % f->check_every == 0) {
		rc = second_opinion(f, id, params);
		if (rc)
			return rc;
	}
	f->n++;
	while (gate_next_pair(&rest, &name, &value) > 0)
		n++;
	if (n > GATE_MAX_PAIRS)
		return -E_bad_request;
	return copy(params, n, a, ret, ret_n) ? -E_bad_request : 0;
}

const struct fcgi_param *fcgi_param_find(const struct fcgi_param *list, unsigned n,
					 struct slice name)
{
	for (unsigned i = 0; i < n; i++)
		if (slice_eq(list[i].name, name))
			return list + i;
	return NULL;
}
