#!/usr/bin/python3
"""A FastCGI responder that answers with what it was sent, as JSON: {"params": {...}, "doubled": [...], "body": size,
"md5": ..., "keep": flag}. As a program it serves the listener on descriptor 0."""

import hashlib
import json
import os
import socket
import struct
import sys
import threading


def read_exactly(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_pairs(data):
    out, at = [], 0

    def size():
        nonlocal at
        if data[at] < 128:
            n, at = data[at], at + 1
        else:
            n, at = struct.unpack("!I", data[at:at + 4])[0] & 0x7fffffff, at + 4
        return n
    while at < len(data):
        name_size, value_size = size(), size()
        out.append((data[at:at + name_size].decode("latin-1"),
                    data[at + name_size:at + name_size + value_size].decode("latin-1")))
        at += name_size + value_size
    return out


def write(conn, kind, request_id, content):
    conn.sendall(struct.pack("!BBHHBx", 1, kind, request_id, len(content), 0) + content)


def serve_connection(conn):
    keep = False
    params = body = None
    try:
        while True:
            _, kind, request_id, size, padding = struct.unpack("!BBHHBx", read_exactly(conn, 8))
            content = read_exactly(conn, size)
            read_exactly(conn, padding)
            if kind == 1:
                keep, params, body = bool(content[2] & 1), b"", b""
            elif kind == 4:
                params += content
            elif kind == 5 and content:
                body += content
            elif kind == 5:
                pairs = read_pairs(params)
                names = [k for k, _ in pairs]
                answer = {"params": dict(pairs), "doubled": sorted({k for k in names if names.count(k) > 1}),
                          "body": len(body), "md5": hashlib.md5(body).hexdigest(), "keep": keep}
                text = b"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(answer).encode()
                write(conn, 6, request_id, text)
                write(conn, 6, request_id, b"")
                write(conn, 3, request_id, bytes(8))
                if not keep:
                    return
            elif kind == 9:
                asked = [k for k, _ in read_pairs(content)]
                known = {"FCGI_MAX_CONNS": b"100", "FCGI_MAX_REQS": b"100", "FCGI_MPXS_CONNS": b"0"}
                out = b"".join(bytes([len(k), len(known[k])]) + k.encode() + known[k] for k in asked if k in known)
                write(conn, 10, 0, out)
    except (EOFError, OSError):
        pass
    finally:
        conn.close()


def serve(listener):
    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_connection, args=(conn,), daemon=True).start()


class Echo:
    """The responder in a thread, on a unix socket."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(128)
        threading.Thread(target=serve, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
    sys.exit(0)
