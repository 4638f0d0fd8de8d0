"""narrow.py PORT TO LIMIT: a relay that swallows what is longer than LIMIT bytes and comes in one piece, as a path does
whose packets are too small for what is sent and that tells nobody. What it swallows is gone, and all behind it on the
same connection. SIGUSR1 makes it narrow, SIGUSR2 wide again, for new connections and old ones that have lost nothing."""

import selectors
import signal
import socket
import sys

LOOPBACK = "127.0.0.1"
narrow = False


def turn(to):
    def handler(*_):
        global narrow
        narrow = to
    return handler


def main(port, to, limit):
    signal.signal(signal.SIGUSR1, turn(True))
    signal.signal(signal.SIGUSR2, turn(False))
    sel = selectors.DefaultSelector()
    listener = socket.create_server((LOOPBACK, port))
    sel.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in sel.select():
            if key.data is None:
                near, _ = listener.accept()
                far = socket.create_connection((LOOPBACK, to))
                lost = set()
                sel.register(near, selectors.EVENT_READ, (far, lost))
                sel.register(far, selectors.EVENT_READ, (near, lost))
                continue
            if key.fileobj.fileno() < 0:
                continue
            other, lost = key.data
            try:
                data = key.fileobj.recv(65536)
                if data:
                    if narrow and len(data) > limit:
                        lost.add(key.fileobj)
                    if key.fileobj not in lost:
                        other.sendall(data)
                    continue
            except OSError:
                pass
            for s in (key.fileobj, other):
                sel.unregister(s)
                s.close()


main(*map(int, sys.argv[1:]))
