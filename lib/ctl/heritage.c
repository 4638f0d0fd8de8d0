/* heritage: the messages of the command channel. */
#include "config.h"
#include "lib/ctl/heritage.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fdio.h"

static int send_it(int channel, enum heritage_type type, uint32_t arg, const char *p, size_t n, int fd)
{
	struct {
		uint32_t type, arg;
		char text[HERITAGE_BYTES + 1];
	} m;
	ssize_t r;

	_Static_assert(offsetof(struct heritage_msg, text) == 8, "type and argument, then the text");
	m.type = (uint32_t)type;
	m.arg = arg;
	if (n)
		memcpy(m.text, p, n);
	m.text[n] = '\0';
	r = fdio_send(channel, &m, offsetof(struct heritage_msg, text) + n + 1, &fd, fd >= 0);
	return r < 0 ? (int)r : 0;
}

int heritage_send(int channel, enum heritage_type type, uint32_t arg, const char *text, int fd)
{
	return send_it(channel, type, arg, text, text ? strnlen(text, HERITAGE_TEXT - 1) : 0, fd);
}

int heritage_send_bytes(int channel, const char *p, size_t n, int fd)
{
	return n > HERITAGE_BYTES ? -EMSGSIZE : send_it(channel, HERITAGE_CONNECTION, 0, p, n, fd);
}

int heritage_recv(int channel, struct heritage_msg *ret, int *ret_fd)
{
	unsigned n_fds = 1;
	int fd = -1;
	ssize_t r;

	r = fdio_recv(channel, ret, offsetof(struct heritage_msg, text) + sizeof(ret->text), &fd, &n_fds);
	if (r <= 0)
		return (int)r;
	if ((size_t)r < offsetof(struct heritage_msg, text)) {
		if (n_fds)
			close(fd);
		return -EPROTO;
	}
	ret->n = (unsigned)((size_t)r - offsetof(struct heritage_msg, text));
	if (ret->n && (ret->n == sizeof(ret->text) || !ret->text[ret->n - 1]))
		ret->n--;	/* the NUL that ends it */
	ret->text[ret->n] = '\0';
	*ret_fd = n_fds ? fd : -1;
	return 1;
}
