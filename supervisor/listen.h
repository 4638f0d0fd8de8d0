/* listen: the sockets that weird opens, once, and never unlinks while it lives.
 * Owner: weird. Errors are for people. Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_LISTEN_H
#define WEIR_SUPERVISOR_LISTEN_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct listener {
	char *address;		/* as configured: "unix:PATH" or "tcp:HOST:PORT" */
	char *path;		/* of a unix socket, else NULL */
	int fd;			/* O_NONBLOCK, CLOEXEC */
	int was_inherited;
	uint64_t inode;
	dev_t path_dev;		/* of the name we made, so that only our own is removed */
	ino_t path_ino;
	uint32_t depth, limit;	/* accept queue, last sample */
};

struct listen_how {
	const char *owner, *group;	/* "" or NULL: keep ours */
	const char *mode;		/* octal text */
	int backlog;
	unsigned patience_ms;		/* for a live one of a weird that was killed: its workers are leaving */
};

/* Descriptors that systemd passed (LISTEN_FDS); once, before any listen_open. */
void listen_inherit(void);
/* How many of them no listen_open took; each is an error of the configuration. */
unsigned listen_unmatched(struct err *e);
/* 0 or -E_config with e. The unix socket is bound to a temporary name, gets owner and mode, listens, and only then
 * takes its name, replacing a stale one; a live one is refused. */
int listen_open(struct listener *l, const char *address, const struct listen_how *how, struct err *e);
/* Close, and remove the name if it is still the one we made. */
void listen_close(struct listener *l, int unlink_path);
/* Is an address text well formed? Used before anything is opened. */
int listen_check(const char *address, struct err *e);
/* Are there such a user and group? -E_config with e where not. */
int listen_check_owner(const char *owner, const char *group, struct err *e);
/* What listen_open would say of the place now, for this user: something else there, a folder that is not writable. */
int listen_check_place(const char *address, struct err *e);
/* Of a path: its folder is one, and writable for this user; and there, if it must be. 0, or -E_config with e. */
int listen_check_folder(const char *path, int must_be, struct err *e);
/* The folder of a unix address when it is not there; else NULL. Points into folder, of n bytes. */
const char *listen_missing_folder(const char *address, char *folder, size_t n);
/* Does somebody accept connections at this unix path? */
int listen_is_live(const char *path);

/* Depth and limit of the accept queue now; -1 when the kernel does not say. */
int listen_queue(struct listener *l);

#endif
