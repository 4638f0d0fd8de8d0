/* See decode.h. */
#include "config.h"

#include "lib/fcgi/decode.h"

#include "lib/base/num.h"

#include <fastcgi.h>

void decode_init(struct decode *d, uint16_t id, size_t limit)
{
	memset(d, 0, sizeof(*d));
	d->id = id;
	buf_init(&d->out, limit);
	buf_init(&d->err, limit);
	buf_init(&d->values, limit);
}

void decode_done(struct decode *d)
{
	buf_done(&d->out);
	buf_done(&d->err);
	buf_done(&d->values);
}

void decode_clear(struct decode *d)
{
	struct buf out = d->out, err = d->err, values = d->values;
	uint16_t id = d->id;

	buf_clear(&out);
	buf_clear(&err);
	buf_clear(&values);
	memset(d, 0, sizeof(*d));
	d->id = id;
	d->out = out;
	d->err = err;
	d->values = values;
}

static int take_header(struct decode *d)
{
	const unsigned char *h = d->header;
	unsigned type = h[1], id = (unsigned)h[2] << 8 | h[3];

	d->header_n = 0;
	d->n_records++;
	d->content_n = (uint32_t)h[4] << 8 | h[5];
	d->content_at = 0;
	d->pad_left = h[6];
	if (h[0] != 1 || id != d->id)
		return -1;
	switch (type) {
	case FCGI_STDOUT:
		if (d->is_stdout_closed)
			return -1;
		d->is_stdout_closed = d->content_n == 0;
		return 0;
	case FCGI_STDERR:
		return 0;
	case FCGI_END_REQUEST:
	case FCGI_UNKNOWN_TYPE:
		return d->content_n == 8 ? 0 : -1;
	case FCGI_GET_VALUES_RESULT:
		return id == 0 ? 0 : -1;
	default:
		return -1;
	}
}

static int take_content(struct decode *d, const char *p, size_t n)
{
	unsigned type = d->header[1];

	if (type == FCGI_STDOUT)
		return buf_append(&d->out, p, n);
	if (type == FCGI_STDERR)
		return buf_append(&d->err, p, n);
	if (type == FCGI_GET_VALUES_RESULT)
		return buf_append(&d->values, p, n);
	memcpy(d->end + d->content_at, p, n);
	if (d->content_at + n < 8)
		return 0;
	if (type == FCGI_UNKNOWN_TYPE) {
		d->unknown_type = d->end[0];
		return 0;
	}
	d->app_status = (uint32_t)d->end[0] << 24 | (uint32_t)d->end[1] << 16 |
			(uint32_t)d->end[2] << 8 | d->end[3];
	d->protocol_status = d->end[4];
	d->is_ended = 1;
	return 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

ssize_t decode_feed(struct decode *d, const void *bytes, size_t n)
{
	const char *p = bytes;
	size_t at = 0, k;

	while (at < n && !(d->is_ended && d->pad_left == 0)) {
		if (d->content_at < d->content_n) {
			k = least(n - at, d->content_n - d->content_at);
			if (take_content(d, p + at, k))
				return -1;
			d->content_at += (uint32_t)k;
		} else if (d->pad_left) {
			k = least(n - at, d->pad_left);
			d->pad_left -= (uint32_t)k;
		} else {
			k = least(n - at, 8 - d->header_n);
			memcpy(d->header + d->header_n, p + at, k);
			d->header_n += (unsigned)k;
			if (d->header_n == 8 && take_header(d))
				return -1;
		}
		at += k;
	}
	return (ssize_t)at;
}

struct slice decode_header(struct slice head, struct slice name)
{
	while (head.n) {
		struct slice line = slice_cut(&head, '\n');
		struct slice word;

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		word = slice_cut(&line, ':');
		if (line.p && slice_ieq(word, name))
			return slice_trim(line);
	}
	return slice_of(NULL, 0);
}

int decode_head(const struct decode *d, struct slice *ret_head, struct slice *ret_body)
{
	struct slice all = buf_slice(&d->out), status;
	const char *end = all.n ? memmem(all.p, all.n, "\r\n\r\n", 4) : NULL;
	uint64_t number;

	if (!end)
		return -1;
	*ret_head = slice_of(all.p, (size_t)(end - all.p) + 2);
	*ret_body = slice_of(end + 4, all.n - ret_head->n - 2);
	status = decode_header(*ret_head, SLICE("Status"));
	if (!status.p)
		return 200;
	status = slice_cut(&status, ' ');
	return num_u64(status, &number) || number > 999 ? -1 : (int)number;
}
