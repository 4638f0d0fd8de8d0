/* heritage: the messages of the command channel. */
#include "config.h"
#include "lib/ctl/heritage.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fdio.h"

int heritage_send(int channel, enum heritage_type type, uint32_t arg, const char *text, int fd)
{
	struct heritage_msg m = {.type = (uint32_t)type, .arg = arg};
	size_t n = text ? strnlen(text, sizeof(m.text) - 1) : 0;
	ssize_t r;

	if (n)
		memcpy(m.text, text, n);
	m.text[n] = '\0';
	r = fdio_send(channel, &m, offsetof(struct heritage_msg, text) + n + 1, &fd, fd >= 0);
	return r < 0 ? (int)r : 0;
}

int heritage_recv(int channel, struct heritage_msg *ret, int *ret_fd)
{
	struct heritage_msg m;
	unsigned n_fds = 1;
	int fd = -1;
	ssize_t r;

	memset(&m, 0, sizeof(m));
	r = fdio_recv(channel, &m, sizeof(m), &fd, &n_fds);
	if (r <= 0)
		return (int)r;
	if ((size_t)r < offsetof(struct heritage_msg, text)) {
		if (n_fds)
			close(fd);
		return -EPROTO;
	}
	m.text[sizeof(m.text) - 1] = '\0';
	*ret = m;
	*ret_fd = n_fds ? fd : -1;
	return 1;
}
