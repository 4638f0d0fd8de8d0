"""A PostgreSQL server that keeps to the protocol until a statement's text says that it should not: it sends what no real
one would."""

import socket
import struct
import threading

from .base import LOOPBACK


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def column(oid):
    return message("T", struct.pack("!H", 1) + b"x\0" + struct.pack("!IHIhiH", 0, 0, oid, -1, -1, 0))


TEXT = 25
COLUMN = column(TEXT)
ROW = message("D", struct.pack("!HI", 1, 2) + b"ok")
DONE = message("C", b"SELECT 1\0")
COPY = struct.pack("!bHH", 0, 1, 0)
READY = message("Z", b"I")
NOTIFY = message("A", struct.pack("!I", 1) + b"channel\0" + b"x" * 4000 + b"\0")

# what is sent for Execute, and for the Sync behind it, of a statement that holds the word
TRICKS = {
    "copy_in": (message("G", COPY), b""),
    "copy_out": (message("H", COPY), b""),
    "copy_out_data": (message("H", COPY) + message("d", b"1\n") * 1000, b""),
    "copy_out_done": (message("H", COPY) + message("c") + message("C", b"COPY 0\0"), READY),
    "copy_both": (message("W", COPY), b""),
    "empty": (message("I"), READY),
    "twice": (ROW + DONE + ROW + DONE, READY),
    "none": (b"", READY),
    "early_ready": (READY + ROW + DONE, READY),
    "left_open": (ROW + DONE, message("Z", b"T")),
    "left_failed": (ROW + DONE, message("Z", b"E")),
    "rubbish": (b"\0" * 64, READY),
    "unknown": (message("~", b"abc") + ROW + DONE, READY),
    "portal_suspended": (ROW + message("s"), READY),
}


class Hostile:
    def __init__(self, tricks=None, types=None):
        """tricks: word → (for Execute, for Sync). types: word → the type that the statement's column is said to have."""
        self.tricks = tricks or TRICKS
        self.types = types or {}
        self.listener = socket.create_server((LOOPBACK, 0))
        self.port = self.listener.getsockname()[1]
        self.conninfo = f"host={LOOPBACK} port={self.port} user=x dbname=x sslmode=disable gssencmode=disable"
        self.executed = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def column_of(self, sql):
        return column(next((oid for word, oid in self.types.items() if f"'{word}'" in sql), TEXT))

    def serve(self, conn):
        try:
            with conn:
                self.session(conn)
        except (OSError, EOFError, struct.error):
            pass

    def session(self, conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = conn.makefile("rb")

        def take(n):
            data = stream.read(n)
            if len(data) < n:
                raise EOFError
            return data
        size, code = struct.unpack("!II", take(8))
        if code in (80877103, 80877104):
            conn.sendall(b"N")
            size, code = struct.unpack("!II", take(8))
        take(size - 8)
        conn.sendall(message("R", struct.pack("!I", 0))
                     + b"".join(message("S", f"{k}\0{v}\0".encode()) for k, v in {
                         "server_version": "15.0", "client_encoding": "UTF8", "in_hot_standby": "off",
                         "standard_conforming_strings": "on", "integer_datetimes": "on"}.items())
                     + message("K", struct.pack("!II", 1, 1)) + READY)
        prepared, bound, ready = {}, "", READY
        while True:
            kind = take(1).decode()
            body = take(struct.unpack("!I", take(4))[0] - 4)
            if kind == "Q":
                conn.sendall(message("C", b"SET\0") + READY)
            elif kind == "P":
                name, sql = body.split(b"\0")[:2]
                prepared[name.decode()] = sql.decode()
                conn.sendall(message("1"))
            elif kind == "D":
                if body[:1] == b"S":
                    conn.sendall(message("t", struct.pack("!H", 0)) + self.column_of(prepared.get(body[1:].split(b"\0")[0].decode(), "")))
                else:
                    conn.sendall(message("n") if "'empty'" in bound else self.column_of(bound))
            elif kind == "B":
                bound = prepared.get(body.split(b"\0")[1].decode(), "")
                conn.sendall(message("2"))
            elif kind == "E":
                answer = ROW + DONE
                for word, trick in self.tricks.items():
                    if f"'{word}'" in bound:
                        self.executed.append(word)
                        answer, ready = trick
                conn.sendall(answer)
            elif kind == "S":
                conn.sendall(ready)
                ready = READY
            elif kind == "X":
                return

    def close(self):
        self.listener.close()
