"""A PostgreSQL server that stops talking: it answers up to a stage, and then it is there and says nothing, or says what nobody
needs for ever. With stage "pass" it hands everything on to a real one."""

import socket
import struct
import threading
import time

from .base import LOOPBACK

# what stops where
STAGES = ("accept", "ssl", "tls", "auth", "ready", "trickle", "notices", "parameters", "settings", "parse", "describe")


def message(kind, content=b""):
    return kind + struct.pack("!I", 4 + len(content)) + content


AUTH_OK = message(b"R", struct.pack("!I", 0))
READY = message(b"K", struct.pack("!II", 4711, 1)) + message(b"Z", b"I")
NOTICE = message(b"N", b"SNOTICE\0VNOTICE\0C00000\0M" + b"x" * 500 + b"\0\0")


class SilentServer:
    """.stage may be changed; connections that are open stay as they are."""

    def __init__(self, stage, port):
        self.stage, self.real = stage, port
        self.listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open, self.is_over = [], False
        threading.Thread(target=self._accept, daemon=True).start()

    def conninfo(self, dbname):
        return f"host={LOOPBACK} port={self.port} dbname={dbname} user=postgres"

    def close(self):
        self.is_over = True
        self.listener.close()
        self.drop()

    def drop(self):
        for s in self.open:
            s.close()

    def _accept(self):
        while not self.is_over:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(s)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(s, self.stage), daemon=True).start()

    def _serve(self, s, stage):
        try:
            (self._relay if stage == "accept" else getattr(self, "_" + stage, self._relay))(s, stage)
        except OSError:
            pass

    def _read(self, s, n):
        data = b""
        while len(data) < n:
            piece = s.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def _startup(self, s):
        """The startup packet; a request for TLS is declined."""
        while True:
            n, = struct.unpack("!I", self._read(s, 4))
            rest = self._read(s, n - 4)
            if struct.unpack("!I", rest[:4])[0] != 80877103:
                return struct.pack("!I", n) + rest
            s.sendall(b"N")

    def _ssl(self, s, _):
        self._read(s, 8)

    def _tls(self, s, _):
        self._read(s, 8)
        s.sendall(b"S")
        self._read(s, 100)

    def _auth(self, s, _):
        self._startup(s)
        s.sendall(AUTH_OK)

    def _ready(self, s, _):
        self._startup(s)
        s.sendall(AUTH_OK + READY)

    def _forever(self, s, piece, pause=0.0):
        while not self.is_over:
            s.sendall(piece)
            time.sleep(pause)

    def _trickle(self, s, _):
        """A byte at a time, of a message that never ends."""
        self._startup(s)
        s.sendall(AUTH_OK + READY + b"T" + struct.pack("!I", 20000))
        self._forever(s, b"x", 0.05)

    def _notices(self, s, _):
        self._startup(s)
        s.sendall(AUTH_OK + READY)
        self._forever(s, NOTICE, 0.001)

    def _parameters(self, s, _):
        self._startup(s)
        s.sendall(AUTH_OK)
        self._forever(s, message(b"S", b"TimeZone\0UTC\0"), 0.001)

    def _relay(self, s, stage):
        """Until a message of the stage's kind comes."""
        stop = {"settings": b"Q", "parse": b"P", "describe": b"D", "pass": None}.get(stage, b"")
        if stop == b"":
            return      # "accept": nothing at all
        startup = self._startup(s)
        up = socket.create_connection((LOOPBACK, self.real))
        self.open.append(up)
        up.sendall(startup)
        up.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._back, args=(up, s), daemon=True).start()
        try:
            while True:
                head = self._read(s, 5)
                content = self._read(s, struct.unpack("!I", head[1:])[0] - 4)
                if head[:1] == stop:
                    break
                up.sendall(head + content)
            self._read(s, 1 << 20)
        finally:
            up.close()

    def _back(self, up, s):
        try:
            while piece := up.recv(65536):
                s.sendall(piece)
            s.close()
        except OSError:
            pass
