#include "config.h"

#include "supervisor/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"

#define INODES_MAX 16u

struct holder {
	int pid;
	char comm[32], state;
	int parent;		/* of its command line; 0: it is none of our children */
};

struct inodes {
	unsigned long long v[INODES_MAX];
	unsigned n;
};

/* A socket is bound under a name of its own first, which the kernel keeps: PATH.PID. */
static int is_path(const char *found, const char *path)
{
	size_t n = strlen(path);

	if (strncmp(found, path, n) != 0)
		return 0;
	return !found[n] || (found[n] == '.' && strspn(found + n + 1, "0123456789") == strlen(found + n + 1));
}

/* Num RefCount Protocol Flags Type St Inode Path */
static void unix_inodes(const char *path, struct inodes *ret)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], name[256];
	unsigned long long inode;
	unsigned flags;

	while (f && ret->n < INODES_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %llu %255[^\n]", &flags, &inode, name) == 3 && flags & 0x10000 && is_path(name, path))
			ret->v[ret->n++] = inode;
	if (f)
		fclose(f);
}

/* sl local_address rem_address st … inode; st 0A: it listens */
static void tcp_inodes(const char *table, unsigned port, struct inodes *ret)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long long inode;
	unsigned local, state;

	while (f && ret->n < INODES_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %llu", &local, &state, &inode) == 3 && state == 0x0a &&
		    local == port)
			ret->v[ret->n++] = inode;
	if (f)
		fclose(f);
}

static void inodes_of(const char *address, struct inodes *ret)
{
	const char *port = strrchr(address, ':');

	ret->n = 0;
	if (strncmp(address, "unix:", 5) == 0) {
		unix_inodes(address + 5, ret);
	} else if (port) {
		tcp_inodes("/proc/net/tcp", (unsigned)strtoul(port + 1, NULL, 10), ret);
		tcp_inodes("/proc/net/tcp6", (unsigned)strtoul(port + 1, NULL, 10), ret);
	}
}

static int has_one(int pid, const struct inodes *all)
{
	char path[64], entry[320], to[64];
	unsigned long long inode;
	struct dirent *e;
	int found = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n;

		snprintf(entry, sizeof(entry), "%s/%s", path, e->d_name);
		n = readlink(entry, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (sscanf(to, "socket:[%llu]", &inode) != 1)
			continue;
		for (unsigned i = 0; i < all->n; i++)
			found |= all->v[i] == inode;
	}
	if (d)
		closedir(d);
	return found;
}

static size_t read_file(int pid, const char *name, char *to, size_t room)
{
	char path[64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	f = fopen(path, "re");
	n = f ? fread(to, 1, room - 1, f) : 0;
	to[n] = '\0';
	if (f)
		fclose(f);
	return n;
}

static void look(struct holder *h)
{
	char text[4096];
	size_t n = read_file(h->pid, "stat", text, sizeof(text));
	char *open = strchr(text, '('), *close = strrchr(text, ')');

	h->state = '?';
	snprintf(h->comm, sizeof(h->comm), "?");
	if (n && open && close) {
		snprintf(h->comm, sizeof(h->comm), "%.*s", (int)(close - open - 1), open + 1);
		h->state = close[1] ? close[2] : '?';
	}
	h->parent = 0;
	n = read_file(h->pid, "cmdline", text, sizeof(text));
	for (size_t at = 0; at < n && strncmp(h->comm, "weir-", 5) == 0; at += strlen(text + at) + 1)
		if (strcmp(text + at, "--parent") == 0 && at + sizeof("--parent") < n)
			h->parent = atoi(text + at + sizeof("--parent"));
}

static unsigned each(const char *address, unsigned (*fn)(const struct holder *h, void *arg), void *arg)
{
	struct inodes all;
	unsigned count = 0;
	struct dirent *e;
	DIR *d = opendir("/proc");

	inodes_of(address, &all);
	while (d && all.n && (e = readdir(d))) {
		struct holder h = {.pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0};

		if (h.pid <= 0 || h.pid == (int)getpid() || !has_one(h.pid, &all))
			continue;
		look(&h);
		count += fn(&h, arg);
	}
	if (d)
		closedir(d);
	return count;
}

static unsigned say(const struct holder *h, void *arg)
{
	struct buf *out = arg;

	buf_addf(out, "%s%s, pid %d%s", out->n ? "; " : "", h->comm, h->pid, h->state == 'T' || h->state == 't' ? ", stopped" : "");
	return 1;
}

void holders_say(const char *address, struct buf *out)
{
	struct buf all;

	buf_init(&all, 0);
	if (each(address, say, &all))
		buf_addf(out, " (%.*s)", (int)all.n, all.p);
	buf_done(&all);
}

/* --parent is a number of the holder's own pid namespace: of another one's, a container's, nothing is known by it. */
static int is_of_our_pids(int pid)
{
	char path[64], ours[64], theirs[64];
	ssize_t n = readlink("/proc/self/ns/pid", ours, sizeof(ours)), m;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	m = readlink(path, theirs, sizeof(theirs));
	return n > 0 && n == m && memcmp(ours, theirs, (size_t)n) == 0;
}

/* One that runs leaves by itself; the keeper of one that is killed does. A pid that was given to another process since would be
 * somebody's who holds our place as well, is stopped, and says that its weird is dead. */
static unsigned end_orphan(const struct holder *h, void *arg)
{
	(void)arg;
	return (h->state == 'T' || h->state == 't') && h->parent > 0 && is_of_our_pids(h->pid) && kill(h->parent, 0) && errno == ESRCH &&
	       kill(h->pid, SIGKILL) == 0;
}

unsigned holders_end_orphans(const char *address)
{
	return each(address, end_orphan, NULL);
}
