"""relay.py PORT TO: every connection to PORT of the loopback address goes on to TO."""

import selectors
import socket
import sys

LOOPBACK = "127.0.0.1"


def main(port, to):
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
                sel.register(near, selectors.EVENT_READ, far)
                sel.register(far, selectors.EVENT_READ, near)
                continue
            if key.fileobj.fileno() < 0:
                continue
            try:
                data = key.fileobj.recv(65536)
                if data:
                    key.data.sendall(data)
                    continue
            except OSError:
                pass
            for s in (key.fileobj, key.data):
                sel.unregister(s)
                s.close()


main(int(sys.argv[1]), int(sys.argv[2]))
