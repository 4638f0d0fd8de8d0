/* notify: the service manager's side of start, stop, reload and watchdog. */
#include "config.h"
#include "supervisor/notify.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/num.h"

static int sock = -1;
static struct sockaddr_un to;
static socklen_t to_len;
static uint64_t watchdog_ms;

void notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t v;

	if (path && (path[0] == '/' || path[0] == '@') && strlen(path) < sizeof(to.sun_path)) {
		to.sun_family = AF_UNIX;
		memcpy(to.sun_path, path, strlen(path) + 1);
		if (path[0] == '@')
			to.sun_path[0] = '\0';
		to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
		sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (sock >= 0 && usec && num_u64(slice_str(usec), &v) == 0 && v >= 2000) {
		uint64_t for_pid;

		if (!pid || (num_u64(slice_str(pid), &for_pid) == 0 && (pid_t)for_pid == getpid()))
			watchdog_ms = v / 1000 / 2;
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

int notify_is_on(void)
{
	return sock >= 0;
}

void notify_send(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	ssize_t r;
	int n;

	if (sock < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n <= 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	r = sendto(sock, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT,
		   (const struct sockaddr *)&to, to_len);
	(void)r;
}

uint64_t notify_watchdog_ms(void)
{
	return watchdog_ms;
}
