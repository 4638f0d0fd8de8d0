/* snapshot: see snapshot.h. The serialized form, in the machine's byte order, for a child of the
 * same build: magic, generation, conf path and bytes, the files of the auth block, number of files, then path, bytes and metric
 * row of each. Strings are a 32-bit length and that many bytes. */
#include "config.h"

#include "lib/conf/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/fdio.h"

#define MAGIC "WEIRSNP2"
#define MAX_CONF (256u * 1024)
#define MAX_FILE (2u * ENDPOINT_MAX_SQL)
#define MAX_FILES 10000u
#define MAX_FOLDERS 16 /* levels */
#define MAX_BYTES (512u * 1024 * 1024)

/* A file as it was read. */
struct source {
	char *path; /* below the endpoints folder */
	struct buf text;
};
struct sources {
	struct source *v;
	size_t n, cap;
};

static void put_u32(struct buf *b, uint32_t v)
{
	buf_add(b, &v, sizeof(v));
}

static void put_string(struct buf *b, struct slice s)
{
	put_u32(b, (uint32_t)s.n);
	buf_add(b, s.p, s.n);
}

static int get_u32(struct slice *in, uint32_t *ret)
{
	if (in->n < sizeof(*ret))
		return -1;
	memcpy(ret, in->p, sizeof(*ret));
	in->p += sizeof(*ret);
	in->n -= sizeof(*ret);
	return 0;
}

static int get_string(struct slice *in, struct slice *ret)
{
	uint32_t n;

	if (get_u32(in, &n) || in->n < n)
		return -1;
	*ret = slice_of(in->p, n);
	in->p += n;
	in->n -= n;
	return 0;
}

static void sources_done(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].path);
		buf_done(&s->v[i].text);
	}
	free(s->v);
	*s = (struct sources){0};
}

static char *join(const char *a, const char *b)
{
	char *out = NULL;

	check(asprintf(&out, "%s%s%s", a, a[0] && b[0] ? "/" : "", b) >= 0);
	return out;
}

static void say_errno(struct errs *errs, const char *path, const char *what, int rc)
{
	(void)errs_add(errs, E_config, path, 0, 0, "%s: %s", what, strerror(-rc));
}

static void read_source(struct sources *out, const char *full, char *path, struct errs *errs)
{
	struct source s = {.path = path};
	int rc;

	buf_init(&s.text, 0);
	rc = fdio_read_file(full, MAX_FILE, &s.text);
	if (rc == -EFBIG)
		(void)errs_add(errs, E_endpoint_file, full, 0, 0,
			       "file is too large; expected at most %u bytes", MAX_FILE);
	else if (rc)
		say_errno(errs, full, "cannot read the file", rc);
	if (out->n == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 64;
		out->v = realloc(out->v, out->cap * sizeof(*out->v));
		check(out->v);
	}
	if (rc) {
		free(path);
		buf_done(&s.text);
	} else {
		out->v[out->n++] = s;
	}
}

static int is_sql(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".sql") == 0;
}

/* List.SQL on a disk where that is another name. */
static int is_nearly_sql(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcasecmp(name + n - 4, ".sql") == 0;
}

/* Reads the *.sql files of root/below and of its folders. */
static void walk(struct sources *out, const char *root, const char *below, unsigned level,
		 struct errs *errs)
{
	char *folder = join(root, below);
	DIR *dir = level < MAX_FOLDERS ? opendir(folder) : NULL;
	struct dirent *de;

	if (!dir) {
		if (level >= MAX_FOLDERS)
			errno = ELOOP;
		say_errno(errs, folder, "cannot read the folder", -errno);
	}
	while (dir && (de = readdir(dir))) {
		char *full, *path;
		struct stat st;

		if (de->d_name[0] == '.')
			continue;
		full = join(folder, de->d_name);
		path = join(below, de->d_name);
		if (stat(full, &st)) {
			if (is_sql(de->d_name))
				say_errno(errs, full, "cannot read the file", -errno);
		} else if (S_ISDIR(st.st_mode)) {
			walk(out, root, path, level + 1, errs);
		} else if (S_ISREG(st.st_mode) && is_sql(de->d_name)) {
			if (out->n == MAX_FILES)
				(void)errs_add(errs, E_config, full, 0, 0,
					       "too many endpoint files; expected at most %u",
					       MAX_FILES);
			else
				read_source(out, full, path, errs), path = NULL;
		} else if (is_sql(de->d_name)) {
			(void)errs_add(errs, E_config, full, 0, 0, "not a regular file");
		} else if (is_nearly_sql(de->d_name)) {
			errs_warn(errs, full, 0, 0, "passed over; the name of an endpoint's file ends in .sql");
		}
		free(full);
		free(path);
		if (out->n == MAX_FILES && errs->n_all)
			break;
	}
	if (dir)
		closedir(dir);
	free(folder);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

/* A relative path is relative to the configuration file, not to where weird was started. */
static void resolve_path(const struct snapshot *s, char **path)
{
	const char *slash = strrchr(s->conf_path, '/');
	char *dir, *full;

	if ((*path)[0] == '/' || !(*path)[0] || !slash)
		return;
	dir = strndup(s->conf_path, slash == s->conf_path ? 0 : (size_t)(slash - s->conf_path));
	check(dir);
	check(asprintf(&full, "%s/%s", dir, *path) >= 0);
	free(dir);
	free(*path);
	*path = full;
}

static void resolve_paths(struct snapshot *s)
{
	resolve_path(s, &s->options.endpoints);
	resolve_path(s, &s->options.auth.jwks);
	resolve_path(s, &s->options.auth.hs256_file);
	resolve_path(s, &s->options.auth.api_keys);
}

static void prefix(struct err *v, size_t from, size_t n, const char *folder)
{
	for (struct err *e = v + from; e < v + n; e++) {
		char full[sizeof(e->file) + 256];

		snprintf(full, sizeof(full), "%.255s/%s", folder, e->file);
		snprintf(e->file, sizeof(e->file), "%.*s", (int)sizeof(e->file) - 1, full);
	}
}

/* What is said of endpoint files shows the whole path; kept and warned: as many as there were before. */
static void prefix_errors(struct errs *errs, size_t kept, size_t warned, const char *folder)
{
	prefix(errs->v, kept, errs->n, folder);
	prefix(errs->warnings.v, warned, errs->warnings.n, folder);
}

/* Said once: an endpoint that wants to know its caller, where nothing is configured by which anybody is known. */
static void warn_of_nobody(const struct snapshot *s, struct errs *errs)
{
	const struct opts_auth *a = &s->options.auth;

	if (a->user_param[0] || a->cert_param[0] || a->jwks[0] || a->hs256_file[0] || a->api_keys[0])
		return;
	for (unsigned i = 0; i < s->endpoints.n; i++) {
		const struct endpoint *ep = s->endpoints.v[i];

		if (ep->auth == AUTH_NONE && !ep->identity_user && !ep->n_identity_claims)
			continue;
		errs_warn(errs, ep->file, 0, 0, "this endpoint asks who its caller is, and nobody can be known: %s has none of auth { "
						"user_param, cert_param, jwks, hs256_file, api_keys }; doc/identity.md says what they are",
			  s->conf_path);
		return;
	}
}

/* Who writes @limit should not believe that there is one. */
static void warn_of_kept(const struct snapshot *s, struct errs *errs)
{
	if (!s->endpoints.n)
		errs_warn(errs, NULL, 0, 0, "there is no endpoint: no *.sql file in %s or below it", s->options.endpoints);
	for (unsigned i = 0; i < s->endpoints.n; i++) {
		const struct endpoint *e = s->endpoints.v[i];

		for (unsigned k = 0; k < e->n_kept; k++)
			errs_warn(errs, e->file, e->kept[k].line, 0, "@%s is not acted on yet", e->kept[k].word);
	}
}

static void parse_sources(struct snapshot *s, const struct sources *src, struct errs *errs)
{
	size_t kept = errs->n, warned = errs->warnings.n;

	for (size_t i = 0; i < src->n; i++)
		(void)endpoints_parse(&s->endpoints, &s->options, src->v[i].path,
				      buf_slice(&src->v[i].text), errs);
	(void)endpoints_finish(&s->endpoints, errs);
	for (unsigned i = 0; i < s->endpoints.n; i++) {
		s->endpoints.v[i]->metric = i;
		if (s->endpoints.v[i]->has_sql && s->options.n_databases == 0)
			(void)errs_add(errs, E_endpoint_file, s->endpoints.v[i]->file, 0, 0,
				       "it has SQL, but %s has no database block", s->conf_path);
	}
	warn_of_nobody(s, errs);
	warn_of_kept(s, errs);
	prefix_errors(errs, kept, warned, s->options.endpoints);
}

static void serialize(struct snapshot *s, struct slice conf, const struct sources *src)
{
	struct buf *b = &s->bytes;

	buf_clear(b);
	buf_add(b, MAGIC, 8);
	put_u32(b, s->generation);
	put_string(b, slice_str(s->conf_path));
	put_string(b, conf);
	for (int i = 0; i < AUTH_FILE_COUNT; i++)
		put_string(b, buf_slice(&s->auth.text[i]));
	put_u32(b, (uint32_t)src->n);
	for (size_t i = 0; i < src->n; i++) {
		put_string(b, slice_str(src->v[i].path));
		put_string(b, buf_slice(&src->v[i].text));
		put_u32(b, i < s->endpoints.n ? s->endpoints.v[i]->metric : (uint32_t)i);
	}
}

static void init(struct snapshot *s, const char *conf_path, size_t n)
{
	*s = (struct snapshot){.conf_path = strndup(conf_path, n)};
	check(s->conf_path);
	buf_init(&s->bytes, MAX_BYTES);
	auth_files_init(&s->auth);
	endpoints_init(&s->endpoints);
}

int snapshot_load(struct snapshot *s, const char *conf_path, struct errs *errs)
{
	struct sources src = {0};
	size_t before = errs->n_all, size = 0;
	struct buf conf;
	int rc;

	init(s, conf_path, strlen(conf_path));
	buf_init(&conf, 0);
	rc = fdio_read_file(conf_path, MAX_CONF, &conf);
	if (rc)
		say_errno(errs, conf_path, "cannot read the configuration", rc);
	/* also without bytes: options must be complete */
	(void)options_parse(&s->options, s->conf_path, buf_slice(&conf), errs);
	resolve_paths(s);
	if (!rc && auth_files_load(&s->auth, &s->options.auth, errs) == 0)
		(void)auth_files_parse(&s->auth, &s->options.auth, errs);
	auth_files_warn(&s->auth, &s->options.auth, errs);
	if (!rc && s->options.endpoints[0]) {
		walk(&src, s->options.endpoints, "", 0, errs);
		if (src.n)
			qsort(src.v, src.n, sizeof(*src.v), by_path);
		parse_sources(s, &src, errs);
	}
	for (int i = 0; i < AUTH_FILE_COUNT; i++)
		size += s->auth.text[i].n + 4;
	for (size_t i = 0; i < src.n; i++)
		size += src.v[i].text.n + strlen(src.v[i].path) + 12;
	if (size + conf.n + strlen(conf_path) + 64 > MAX_BYTES)
		(void)errs_add(errs, E_config, s->options.endpoints, 0, 0,
			       "endpoint files are too large in all; expected at most %u bytes",
			       MAX_BYTES);
	else if (errs->n_all == before)
		serialize(s, buf_slice(&conf), &src);
	sources_done(&src);
	buf_done(&conf);
	return (int)(errs->n_all - before);
}

/* Offsets are shared between processes that inherited fd, so it is read without one. */
static int read_fd(int fd, struct buf *out)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 8 || st.st_size > (off_t)MAX_BYTES)
		return -EINVAL;
	if (buf_reserve(out, (size_t)st.st_size))
		return -EFBIG;
	while (out->n < (size_t)st.st_size) {
		ssize_t n = pread(fd, out->p + out->n, (size_t)st.st_size - out->n, (off_t)out->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		out->n += (size_t)n;
	}
	return 0;
}

/* The next file's path, text and metric row. */
static int get_file(struct slice *in, struct slice *path, struct slice *text, uint32_t *metric)
{
	return get_string(in, path) || get_string(in, text) || get_u32(in, metric);
}

static int parse_files(struct snapshot *s, struct slice in, uint32_t n, struct errs *errs)
{
	size_t kept = errs->n, warned = errs->warnings.n;
	struct slice path, text, again = in;
	uint32_t metric;

	for (uint32_t i = 0; i < n; i++) {
		char *file;

		if (get_file(&in, &path, &text, &metric))
			return -1;
		file = strndup(path.p, path.n);
		check(file);
		(void)endpoints_parse(&s->endpoints, &s->options, file, text, errs);
		free(file);
	}
	if (in.n)
		return -1;
	(void)endpoints_finish(&s->endpoints, errs);
	for (uint32_t i = 0; i < n && s->endpoints.n == n; i++) {
		check(get_file(&again, &path, &text, &metric) == 0);
		s->endpoints.v[i]->metric = metric;
	}
	prefix_errors(errs, kept, warned, s->options.endpoints);
	return 0;
}

/* 0, or -1 when the bytes end early. */
static int get_auth(struct snapshot *s, struct slice *in, struct errs *errs)
{
	struct slice text;

	for (int i = 0; i < AUTH_FILE_COUNT; i++) {
		if (get_string(in, &text))
			return -1;
		buf_add(&s->auth.text[i], text.p, text.n);
	}
	(void)auth_files_parse(&s->auth, &s->options.auth, errs);
	return 0;
}

int snapshot_open(struct snapshot *s, int fd, struct errs *errs)
{
	struct slice in, conf_path, conf;
	size_t before = errs->n_all;
	uint32_t generation, n;
	struct buf b;
	int rc;

	buf_init(&b, MAX_BYTES);
	rc = read_fd(fd, &b);
	in = buf_slice(&b);
	if (rc || memcmp(in.p, MAGIC, 8) != 0 ||
	    (in.p += 8, in.n -= 8, get_u32(&in, &generation)) || get_string(&in, &conf_path) ||
	    get_string(&in, &conf)) {
		init(s, "", 0);
		options_parse(&s->options, "", SLICE(""), errs);
		buf_done(&b);
		return errs_add(errs, E_config, NULL, 0, 0, "the snapshot cannot be read: %s",
				rc ? strerror(-rc) : "not a snapshot of this version");
	}
	init(s, conf_path.p, conf_path.n);
	s->generation = generation;
	(void)options_parse(&s->options, s->conf_path, conf, errs);
	resolve_paths(s);
	if (get_auth(s, &in, errs) || get_u32(&in, &n) || parse_files(s, in, n, errs))
		(void)errs_add(errs, E_config, NULL, 0, 0,
			       "the snapshot cannot be read: it is cut off");
	buf_done(&s->bytes);
	s->bytes = b;
	return errs->n_all == before ? 0 : -E_config;
}

void snapshot_assign(struct snapshot *s, uint32_t generation, const unsigned *metric_of)
{
	struct slice in = buf_slice(&s->bytes), skip;
	uint32_t n, metric;
	char *base = s->bytes.p;

	s->generation = generation;
	in.p += 8;
	in.n -= 8;
	memcpy(base + 8, &generation, sizeof(generation));
	check(get_u32(&in, &metric) == 0 && get_string(&in, &skip) == 0 &&
	      get_string(&in, &skip) == 0);
	for (int i = 0; i < AUTH_FILE_COUNT; i++)
		check(get_string(&in, &skip) == 0);
	check(get_u32(&in, &n) == 0 && n == s->endpoints.n);
	for (uint32_t i = 0; i < n; i++) {
		check(get_file(&in, &skip, &skip, &metric) == 0);
		metric = s->endpoints.v[i]->metric = metric_of[i];
		memcpy(base + (in.p - base) - sizeof(metric), &metric, sizeof(metric));
	}
}

int snapshot_memfd(const struct snapshot *s)
{
	int fd = memfd_create("weir-config", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return -errno;
	rc = fdio_write_all(fd, s->bytes.p, s->bytes.n);
	if (rc == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

void snapshot_done(struct snapshot *s)
{
	endpoints_done(&s->endpoints);
	auth_files_done(&s->auth);
	options_done(&s->options);
	buf_done(&s->bytes);
	free(s->conf_path);
	s->conf_path = NULL;
}
