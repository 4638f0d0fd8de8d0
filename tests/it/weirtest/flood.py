"""A server that keeps to PostgreSQL's protocol until a stage, and from there on sends a message without end, as fast as it is
read."""

import select
import socket
import ssl
import struct
import threading

from .base import LOOPBACK
from .hostile import DONE, READY, ROW, Hostile, message

STAGES = ("connecting", "setting_up", "idle", "parameters", "in_flight", "notices")
CHUNK = b"x" * (4 << 20)
MOST = 3 << 30      # bytes of one connection; then it is closed
ENDLESS = struct.pack("!I", 0x3fffffff)
NOTICE = message("N", b"SWARNING\0VWARNING\0C01000\0Mx" + b"y" * 20000 + b"\0\0")
PARAMETER = message("S", b"application_name\0" + b"z" * 20000 + b"\0")


class Flood(Hostile):
    """.sent: bytes of all floods. stage: one of STAGES; `idle` begins behind the first answer of a session."""

    def __init__(self, stage, certificate=None):
        """certificate: files of one and of its key; then it speaks TLS only."""
        self.stage, self.sent, self.tls = stage, 0, None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        super().__init__({"flood": (b"", b"")} if stage in ("in_flight", "notices") else {"none of these": (b"", b"")})

    def flood(self, conn, head, chunk=CHUNK):
        conn.sendall(head)
        while self.sent < MOST:
            self.sent += conn.send(chunk)
        conn.close()

    def session(self, conn):
        if self.tls:
            conn.recv(8, socket.MSG_WAITALL)
            conn.sendall(b"S")
            conn = self.tls.wrap_socket(conn, server_side=True)
        if self.stage == "connecting":
            self.greet(conn)
            self.flood(conn, message("R", struct.pack("!I", 0)) + b"N" + ENDLESS)
        else:
            super().session(Interrupted(self, conn))

    @staticmethod
    def greet(conn):
        size, code = struct.unpack("!II", conn.recv(8, socket.MSG_WAITALL))
        if code in (80877103, 80877104):
            conn.sendall(b"N")
            size, code = struct.unpack("!II", conn.recv(8, socket.MSG_WAITALL))
        conn.recv(size - 8, socket.MSG_WAITALL)


class Interrupted:
    """The connection of a session: what it sends is looked at, and at the stage the flood comes in its place."""

    def __init__(self, server, conn):
        self.server, self.conn, self.answered = server, conn, False

    def __getattr__(self, name):
        return getattr(self.conn, name)

    def sendall(self, data):
        stage, flood = self.server.stage, self.server.flood
        if stage == "setting_up" and data == message("1"):
            flood(self.conn, b"T" + ENDLESS)
        if stage == "in_flight" and data == b"" and self.server.executed:
            flood(self.conn, b"D" + ENDLESS)
        if stage == "notices" and data == b"" and self.server.executed:
            flood(self.conn, b"", NOTICE * 100)
        if data == ROW + DONE:
            self.answered = True
        self.conn.sendall(data)
        if self.answered and data == READY and stage == "idle":
            flood(self.conn, b"N" + ENDLESS)
        if self.answered and data == READY and stage == "parameters":
            flood(self.conn, b"", PARAMETER * 100)


class FloodBetween:
    """A relay to a real server. A session that has said LISTEN is flooded, a third of a second behind its last answer."""

    def __init__(self, port):
        self.real, self.sent, self.is_flooding = port, 0, False
        self.listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        is_listening = False
        try:
            with client, socket.create_connection((LOOPBACK, self.real)) as server:
                while True:
                    ready, _, _ = select.select([client, server], [], [], 0.3)
                    if not ready and is_listening and self.is_flooding:
                        client.sendall(b"N" + ENDLESS)
                        while self.sent < MOST:
                            self.sent += client.send(CHUNK)
                        return
                    for s in ready:
                        data = s.recv(65536)
                        if not data:
                            return
                        is_listening |= s is client and b"LISTEN" in data
                        (server if s is client else client).sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()
