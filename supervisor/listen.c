/* listen: opening listeners so that no web server ever sees a missing, refused or half-made socket. */
#include "config.h"
#include "supervisor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/num.h"
#include "supervisor/holders.h"

#define AGAIN_NS (2 * CLOCK_S)
#define INHERITED_MAX 32
#define FIRST_INHERITED 3

static struct {
	int fd;
	int is_taken;
} inherited[INHERITED_MAX];
static unsigned n_inherited;

void listen_inherit(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	uint64_t v, p;

	if (pid && n && num_u64(slice_str(pid), &p) == 0 && (pid_t)p == getpid() &&
	    num_u64(slice_str(n), &v) == 0)
		for (unsigned i = 0; i < v && i < INHERITED_MAX; i++) {
			int fd = FIRST_INHERITED + (int)i;

			if (fdio_cloexec(fd, 1) == 0)
				inherited[n_inherited++].fd = fd;
		}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

unsigned listen_unmatched(struct err *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_inherited; i++)
		if (!inherited[i].is_taken) {
			err_set(e, E_config,
				"descriptor %d passed by the service manager is no configured listener",
				inherited[i].fd);
			n++;
		}
	return n;
}

/* ---- addresses ---- */

static int parse_unix(const char *address, struct sockaddr_un *sa, struct err *e)
{
	const char *path = address + 5;

	if (path[0] != '/')
		return err_set(e, E_config, "%s: a unix socket needs an absolute path", address);
	if (strlen(path) + 16 >= sizeof(sa->sun_path))
		return err_set(e, E_config, "%s: path longer than %zu bytes", address,
			       sizeof(sa->sun_path) - 17);
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	memcpy(sa->sun_path, path, strlen(path) + 1);
	return 0;
}

static int parse_tcp(const char *address, struct sockaddr_storage *ss, socklen_t *len, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai;
	char host[128];
	const char *at = address + 4, *colon = strrchr(at, ':');
	size_t n;
	uint64_t port;

	if (!colon || num_u64(slice_str(colon + 1), &port) || port < 1 || port > 65535)
		return err_set(e, E_config, "%s: expected tcp:ADDRESS:PORT with a port of 1 to 65535",
			       address);
	n = (size_t)(colon - at);
	if (n >= 2 && at[0] == '[' && at[n - 1] == ']')
		at++, n -= 2;
	if (n >= sizeof(host))
		return err_set(e, E_config, "%s: address too long", address);
	memcpy(host, at, n);
	host[n] = '\0';
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (getaddrinfo(n && strcmp(host, "*") ? host : NULL, colon + 1, &hints, &ai))
		return err_set(e, E_config, "%s: '%s' is not a numeric IPv4 or IPv6 address",
			       address, host);
	memcpy(ss, ai->ai_addr, ai->ai_addrlen);
	*len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

int listen_check(const char *address, struct err *e)
{
	struct sockaddr_storage ss;
	struct sockaddr_un un;
	socklen_t len;

	if (strncmp(address, "unix:", 5) == 0)
		return parse_unix(address, &un, e);
	if (strncmp(address, "tcp:", 4) == 0)
		return parse_tcp(address, &ss, &len, e);
	return err_set(e, E_config, "'%s': expected unix:PATH or tcp:ADDRESS:PORT", address);
}

static int same_inet(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return 0;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const struct sockaddr_in *)(const void *)a;
		const struct sockaddr_in *y = (const struct sockaddr_in *)(const void *)b;

		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)(const void *)a;
	const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)(const void *)b;

	return x->sin6_port == y->sin6_port &&
	       memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

/* An inherited listening socket bound to this address, or -1. */
static int take_inherited(const struct sockaddr *want, socklen_t want_len)
{
	for (unsigned i = 0; i < n_inherited; i++) {
		struct sockaddr_storage ss = {0}, w = {0};
		socklen_t len = sizeof(ss), opt_len = sizeof(int);
		int is_listening = 0;

		if (inherited[i].is_taken ||
		    getsockname(inherited[i].fd, (struct sockaddr *)&ss, &len) ||
		    getsockopt(inherited[i].fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &opt_len) ||
		    !is_listening || ss.ss_family != want->sa_family)
			continue;
		memcpy(&w, want, want_len);
		if (want->sa_family == AF_UNIX
			    ? strcmp(((struct sockaddr_un *)&ss)->sun_path,
				     ((struct sockaddr_un *)&w)->sun_path) == 0
			    : same_inet(&ss, &w)) {
			inherited[i].is_taken = 1;
			return inherited[i].fd;
		}
	}
	return -1;
}

/* ---- unix ---- */

int listen_is_live(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return 0;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	/* EAGAIN: somebody listens whose queue is full. */
	r = r == 0 || errno == EAGAIN;
	close(fd);
	return r;
}

/* This user, for people. */
static const char *who(void)
{
	static char text[64];
	const struct passwd *pw = getpwuid(geteuid());

	if (pw)
		snprintf(text, sizeof(text), "the user %s", pw->pw_name);
	else
		snprintf(text, sizeof(text), "the user %u", (unsigned)geteuid());
	return text;
}

/* What a killed weird left leaves by itself in that time; what cannot, because it is stopped, is ended behind it. */
struct patience {
	const char *address;
	uint64_t until_ns;	/* 0: none */
	int has_ended;
};

static struct patience patience_of(const char *address, unsigned ms)
{
	return (struct patience){address, ms ? clock_mono_ns() + ms * CLOCK_MS : 0, 0};
}

/* 1: try again. */
static int is_patient(struct patience *p)
{
	int err = errno;

	if (clock_mono_ns() >= p->until_ns) {
		if (!p->until_ns || p->has_ended++ || !holders_end_orphans(p->address))
			return 0;
		p->until_ns = clock_mono_ns() + AGAIN_NS;
	}
	usleep(20000);
	errno = err;
	return 1;
}

static int is_live_for(const char *address, const char *path, unsigned ms)
{
	struct patience p = patience_of(address, ms);

	while (listen_is_live(path))
		if (!is_patient(&p))
			return 1;
	return 0;
}

static int bind_for(const char *address, int fd, const struct sockaddr *sa, socklen_t n, unsigned ms)
{
	struct patience p = patience_of(address, ms);
	int rc;

	while ((rc = bind(fd, sa, n)) != 0 && errno == EADDRINUSE)
		if (!is_patient(&p)) {
			errno = EADDRINUSE;
			break;
		}
	return rc;
}

/* It is taken. -E_config. */
static int taken(const char *what, const char *address, struct err *e)
{
	AUTO(buf) struct buf who;

	buf_init(&who, 0);
	holders_say(address, &who);
	return err_set(e, E_config, "%s: another process is listening there%s", what, who.n ? buf_str(&who) : "");
}

static int find_owner(const char *owner, const char *group, uid_t *uid, gid_t *gid, struct err *e)
{
	if (owner && *owner) {
		const struct passwd *pw = getpwnam(owner);

		if (!pw)
			return err_set(e, E_config, "socket_owner: there is no user '%s'", owner);
		*uid = pw->pw_uid;
	}
	if (group && *group) {
		const struct group *gr = getgrnam(group);

		if (!gr)
			return err_set(e, E_config, "socket_group: there is no group '%s'", group);
		*gid = gr->gr_gid;
	}
	return 0;
}

int listen_check_owner(const char *owner, const char *group, struct err *e)
{
	uid_t uid;
	gid_t gid;

	return find_owner(owner, group, &uid, &gid, e);
}

const char *listen_missing_folder(const char *address, char *folder, size_t n)
{
	struct stat st;
	char *slash;

	if (strncmp(address, "unix:", 5) != 0)
		return NULL;
	snprintf(folder, n, "%s", address + 5);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return NULL;
	*slash = '\0';
	return stat(folder, &st) && errno == ENOENT ? folder : NULL;
}

int listen_check_folder(const char *path, int must_be, struct err *e)
{
	char folder[PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		strcpy(folder, ".");
	else
		slash[slash == folder] = '\0';
	if (stat(folder, &st))
		return errno == ENOENT && !must_be ? 0 : err_set(e, E_config, "%s: the folder %s: %s", path, folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, E_config, "%s: %s is not a folder", path, folder);
	if (access(folder, W_OK | X_OK))
		return err_set(e, E_config, "%s: the folder %s: %s for %s", path, folder, strerror(errno), who());
	return 0;
}

int listen_check_place(const char *address, struct err *e)
{
	const char *path = address + 5;
	struct stat st;

	if (strncmp(address, "unix:", 5) != 0)
		return 0;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(e, E_config, "%s: is there and is not a socket", path);
	return listen_check_folder(path, 0, e);
}

static int set_owner(const char *path, const struct listen_how *how, struct err *e)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	unsigned long mode;
	char *end;

	if (find_owner(how->owner, how->group, &uid, &gid, e))
		return -E_config;
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && chown(path, uid, gid))
		return err_set(e, E_config, "%s: %s cannot give it to %s%s%s%s%s: %s", path, who(),
			       how->owner && *how->owner ? "socket_owner " : "", how->owner ? how->owner : "",
			       how->owner && *how->owner && how->group && *how->group ? " and " : "",
			       how->group && *how->group ? "the group " : "", how->group ? how->group : "", strerror(errno));
	mode = strtoul(how->mode, &end, 8);
	if (!*how->mode || *end || mode > 0777)
		return err_set(e, E_config, "'%s' is not an octal mode", how->mode);
	if (chmod(path, (mode_t)mode))
		return err_set(e, E_config, "%s: cannot set mode: %s", path, strerror(errno));
	return 0;
}

static int open_unix(struct listener *l, const char *address, const struct listen_how *how,
		     struct err *e)
{
	struct sockaddr_un sa, tmp;
	struct stat st;
	mode_t old;
	size_t n;
	int r;

	if (parse_unix(address, &sa, e))
		return -E_config;
	l->path = strdup(sa.sun_path);
	l->fd = take_inherited((struct sockaddr *)&sa, sizeof(sa));
	if (l->fd >= 0) {
		l->was_inherited = 1;
		return 0;
	}
	if (lstat(sa.sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(e, E_config, "%s: is there and is not a socket", sa.sun_path);
		if (is_live_for(address, sa.sun_path, how->patience_ms))
			return taken(sa.sun_path, address, e);
	}
	tmp = sa;
	/* parse_unix left room for the suffix. */
	n = strlen(tmp.sun_path);
	snprintf(tmp.sun_path + n, sizeof(tmp.sun_path) - n, ".%d", (int)getpid());
	unlink(tmp.sun_path);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_set(e, E_config, "%s: %s", address, strerror(errno));
	old = umask(0177);
	r = bind(l->fd, (struct sockaddr *)&tmp, sizeof(tmp));
	umask(old);
	if (r) {
		char folder[sizeof(sa.sun_path)];

		r = errno;
		if (listen_missing_folder(address, folder, sizeof(folder)))
			return err_set(e, E_config, "%s: cannot bind: there is no folder %s", address, folder);
		return err_set(e, E_config, "%s: cannot bind: %s", address, strerror(r));
	}
	if (set_owner(tmp.sun_path, how, e) == 0) {
		if (listen(l->fd, how->backlog) || stat(tmp.sun_path, &st) ||
		    rename(tmp.sun_path, sa.sun_path))
			err_set(e, E_config, "%s: cannot listen: %s", address, strerror(errno));
		else {
			l->path_dev = st.st_dev;
			l->path_ino = st.st_ino;
			return 0;
		}
	}
	unlink(tmp.sun_path);
	return -E_config;
}

static int open_tcp(struct listener *l, const char *address, const struct listen_how *how,
		    struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, r;

	if (parse_tcp(address, &ss, &len, e))
		return -E_config;
	l->fd = take_inherited((struct sockaddr *)&ss, len);
	if (l->fd >= 0) {
		l->was_inherited = 1;
		return 0;
	}
	l->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_set(e, E_config, "%s: %s", address, strerror(errno));
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	r = bind_for(address, l->fd, (struct sockaddr *)&ss, len, how->patience_ms);
	if (r && errno == EADDRINUSE)
		return taken(address, address, e);
	if (r || listen(l->fd, how->backlog))
		return err_set(e, E_config, "%s: cannot listen: %s", address, strerror(errno));
	return 0;
}

int listen_open(struct listener *l, const char *address, const struct listen_how *how, struct err *e)
{
	struct timeval tv = {.tv_usec = 1000};
	struct stat st;
	int r;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	r = listen_check(address, e);
	if (r)
		return r;
	l->address = strdup(address);
	r = address[0] == 'u' ? open_unix(l, address, how, e) : open_tcp(l, address, how, e);
	if (r) {
		listen_close(l, 0);
		return r;
	}
	fdio_nonblock(l->fd, 1);
	/* Bounds an accept that blocks because some process cleared O_NONBLOCK. */
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (fstat(l->fd, &st) == 0)
		l->inode = st.st_ino;
	return 0;
}

void listen_close(struct listener *l, int unlink_path)
{
	struct stat st;

	if (l->fd >= 0)
		close(l->fd);
	if (unlink_path && l->path && l->path_ino && lstat(l->path, &st) == 0 &&
	    st.st_dev == l->path_dev && st.st_ino == l->path_ino)
		unlink(l->path);
	free(l->address);
	free(l->path);
	memset(l, 0, sizeof(*l));
	l->fd = -1;
}
