"""relay.py PORT TO [DELAY_MS]: every connection to PORT of the loopback address goes on to TO; what comes back is late
by DELAY_MS, one piece after another."""

import selectors
import socket
import sys
import time

LOOPBACK = "127.0.0.1"


def main(port, to, delay_ms=0):
    sel = selectors.DefaultSelector()
    listener = socket.create_server((LOOPBACK, port))
    sel.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in sel.select():
            if key.data is None:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection((LOOPBACK, to))
                except OSError:
                    near.close()
                    continue
                sel.register(near, selectors.EVENT_READ, (far, 0))
                sel.register(far, selectors.EVENT_READ, (near, delay_ms / 1000))
                continue
            if key.fileobj.fileno() < 0:
                continue
            try:
                data = key.fileobj.recv(65536)
                if data:
                    time.sleep(key.data[1])
                    key.data[0].sendall(data)
                    continue
            except OSError:
                pass
            for s in (key.fileobj, key.data[0]):
                sel.unregister(s)
                s.close()


main(*map(int, sys.argv[1:]))
