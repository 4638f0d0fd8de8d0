"""A FastCGI client: requests of a fixed number over keep-alive connections, without a web server."""
import selectors
import socket
import struct
import time

from .machine import BenchError

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def record(kind, content):
    return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    def size(n):
        return bytes([n]) if n < 128 else struct.pack("!I", n | 0x80000000)
    name, value = name.encode(), value.encode()
    return size(len(name)) + size(len(value)) + name + value


def request(target):
    """A GET that keeps its connection, with the parameters of the short list."""
    params = b"".join(pair(n, v) for n, v in (
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", target), ("QUERY_STRING", target.partition("?")[2]),
        ("CONTENT_TYPE", ""), ("CONTENT_LENGTH", ""), ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"), ("HTTP_HOST", "127.0.0.1")))
    return (record(BEGIN, struct.pack("!HB5x", 1, 1)) + record(PARAMS, params) + record(PARAMS, b"")
            + record(STDIN, b""))


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.buffer, self.sent, self.output = bytearray(), 0.0, b""

    def send(self, data):
        self.output, self.sent = b"", time.monotonic()
        self.socket.sendall(data)

    def receive(self):
        """Read what is there; (status, seconds) when the answer is whole, else None."""
        data = self.socket.recv(65536)
        if not data:
            raise BenchError("the connection was closed in the middle of a request or in spite of keep-alive")
        self.buffer += data
        while len(self.buffer) >= 8:
            _, kind, _, length, padding, _ = struct.unpack_from("!BBHHBB", self.buffer)
            if len(self.buffer) < 8 + length + padding:
                return None
            if kind == STDOUT and len(self.output) < 512:
                self.output += bytes(self.buffer[8:8 + length])
            del self.buffer[:8 + length + padding]
            if kind == END:
                return self.status(), time.monotonic() - self.sent
        return None

    def status(self):
        head = self.output.partition(b"\r\n\r\n")[0]
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"status:"):
                return int(line.split()[1])
        return 200

    def close(self):
        self.socket.close()


def load(connections, requests, total):
    """`total` requests, one in flight on each connection. Statuses other than 200 and 204 are an error.
    Returns the latencies."""
    latencies, started = [], 0
    with selectors.DefaultSelector() as waiting:
        for c in connections:
            waiting.register(c.socket, selectors.EVENT_READ, c)
        for c in connections[:total]:
            c.send(requests[started % len(requests)])
            started += 1
        while len(latencies) < total:
            ready = waiting.select(30)
            if not ready:
                raise BenchError(f"no answer for 30 s after {len(latencies)} of {total} requests")
            for key, _ in ready:
                answer = key.data.receive()
                if not answer:
                    continue
                if answer[0] not in (200, 204):
                    raise BenchError(f"status {answer[0]}: {key.data.output[:300]!r}")
                latencies.append(answer[1])
                if started < total:
                    key.data.send(requests[started % len(requests)])
                    started += 1
    return latencies
