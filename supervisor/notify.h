/* notify: one datagram to systemd's $NOTIFY_SOCKET. Own code: the protocol is sixty lines.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_NOTIFY_H
#define WEIR_SUPERVISOR_NOTIFY_H

#include <stdint.h>

#include "lib/base/base.h"

/* Reads $NOTIFY_SOCKET and $WATCHDOG_USEC and takes both from the environment: no child may speak for weird. */
void notify_open(void);
int notify_is_on(void);
/* Lines as "READY=1\nSTATUS=…". Never blocks; failures are nobody's business. */
void notify_send(const char *fmt, ...) PRINTF(1, 2);
/* How often to ping; 0 when no watchdog was asked for. */
uint64_t notify_watchdog_ms(void);

#endif
