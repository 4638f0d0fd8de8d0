"""HTTP/1.1 clients: a plain one, and a raw one that is slow, partial or rude."""

import json as json_module
import socket
import struct
import time

from .base import LOOPBACK, PATIENCE


class Response:
    """status, headers (list of pairs), body; .json, and .header(name)."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name, default=None):
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        return ", ".join(found) if found else default

    @property
    def json(self):
        return json_module.loads(self.body)

    @property
    def code(self):
        """The stable code of a problem document; fails when it is none."""
        assert self.header("Content-Type", "").startswith("application/problem+json"), repr(self)
        assert self.json["status"] == self.status, repr(self)
        return self.json["code"]

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"


def parse_head(lines):
    headers = []
    for line in lines:
        key, colon, value = line.decode("latin-1").partition(":")
        assert colon and key and key == key.strip(), f"not a header line: {line!r}"
        headers.append((key, value.strip()))
    return headers


class RawHTTP:
    """One connection; send what you like, piece by piece."""

    def __init__(self, port, timeout=30):
        self.sock = socket.create_connection((LOOPBACK, port), timeout * PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_slowly(self, data, pieces=10, seconds=1.0):
        """The data in so many pieces over so long: what a slow client does. The pauses are the point here."""
        size = max(1, -(-len(data) // pieces))
        for i in range(0, len(data), size):
            self.sock.sendall(data[i:i + size])
            time.sleep(seconds / pieces)

    def _more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError(f"closed by the server after {self.buffer[:200]!r}")
        self.buffer += piece

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _take(self, n):
        while len(self.buffer) < n:
            self._more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_response(self, method="GET"):
        """The next whole response; 100 Continue is skipped."""
        while True:
            first = self._line().split(b" ", 2)
            assert first[0].startswith(b"HTTP/1."), f"not a status line: {first!r}"
            status, lines = int(first[1]), []
            while line := self._line():
                lines.append(line)
            if status != 100:
                break
        response = Response(status, parse_head(lines), b"")
        if method == "HEAD" or status in (204, 304) or status < 200:
            return response
        if "chunked" in response.header("Transfer-Encoding", "").lower():
            pieces = []
            while size := int(self._line().split(b";")[0], 16):
                pieces.append(self._take(size))
                assert self._line() == b""
            while self._line():
                pass
            response.body = b"".join(pieces)
        elif (n := response.header("Content-Length")) is not None:
            response.body = self._take(int(n))
        else:
            while True:
                try:
                    self._more()
                except ConnectionError:
                    break
            response.body, self.buffer = self.buffer, b""
        return response

    def read_slowly(self, n, chunk=1024, seconds=1.0):
        """n bytes, chunk by chunk over about so many seconds."""
        got = b""
        while len(got) < n:
            piece = self.sock.recv(chunk)
            if not piece:
                break
            got += piece
            time.sleep(seconds * chunk / n)
        self.buffer += got
        return got

    def reset(self):
        """Leave with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def encode(method, path, headers=(), body=b"", host="localhost", keep=False):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if not keep:
        lines.append("Connection: close")
    lines += [f"{k}: {v}" for k, v in (headers.items() if isinstance(headers, dict) else headers)]
    if (body or method in ("POST", "PUT", "PATCH")) and not any(l.lower().startswith("content-length") for l in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def fetch(port, path, method="GET", headers=(), body=b"", json=None, timeout=30):
    """One request on a connection of its own."""
    headers = list(headers.items() if isinstance(headers, dict) else headers)
    if json is not None:
        body = json_module.dumps(json).encode()
        headers.append(("Content-Type", "application/json"))
    elif isinstance(body, str):
        body = body.encode()
    with RawHTTP(port, timeout) as c:
        c.send(encode(method, path, headers, body))
        return c.read_response(method)
