"""A raw FastCGI client: well-formed requests, and the bytes of any others."""

import socket
import struct

from .base import PATIENCE
from .http import Response, parse_head

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN = range(1, 12)
RESPONDER, KEEP_CONN = 1, 1
REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)


def record(kind, content=b"", request_id=1, padding=0, version=1):
    """One record. padding is a number of bytes."""
    return struct.pack("!BBHHBx", version, kind, request_id, len(content), padding) + content + bytes(padding)


def stream(kind, data, request_id=1, chunk=65535, padding=0):
    """Data as records of at most chunk bytes, and the empty one that ends the stream."""
    out = [record(kind, data[i:i + chunk], request_id, padding) for i in range(0, len(data), chunk)]
    return b"".join(out) + record(kind, b"", request_id, padding)


def begin(keep=False, role=RESPONDER, request_id=1):
    return record(BEGIN, struct.pack("!HB5x", role, KEEP_CONN if keep else 0), request_id)


def length(n, long=False):
    return bytes([n]) if n < 128 and not long else struct.pack("!I", n | 0x80000000)


def pair(name, value, long=False):
    name = name.encode() if isinstance(name, str) else name
    value = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return length(len(name), long) + length(len(value), long) + name + value


def pairs(params):
    items = params.items() if isinstance(params, dict) else params
    return b"".join(pair(k, v) for k, v in items)


def cgi_params(path, method="GET", headers=(), body=b"", **more):
    """The parameters that conf/nginx/weir_params sends."""
    _, _, query = path.partition("?")
    params = {"REQUEST_METHOD": method, "REQUEST_URI": path, "QUERY_STRING": query, "REMOTE_ADDR": "192.0.2.1"}
    if body:
        params["CONTENT_LENGTH"] = str(len(body))
    for key, value in dict(headers).items():
        name = key.upper().replace("-", "_")
        params[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name] = value
    params.update(more)
    return {k: v for k, v in params.items() if v is not None}


def encode_request(params, body=b"", keep=False, request_id=1, chunk=65535, padding=0):
    """A whole request as bytes. params: dict or list of pairs."""
    return (begin(keep, request_id=request_id) + stream(PARAMS, pairs(params), request_id, padding=padding)
            + stream(STDIN, body, request_id, chunk, padding))


class Closed(Exception):
    """The peer closed the connection before the reply was whole."""


class Connection:
    """One connection to "unix:PATH" or "tcp:ADDRESS:PORT"."""

    def __init__(self, address, timeout=10):
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            target = address[5:]
        else:
            host, _, port = address.removeprefix("tcp:").rpartition(":")
            host = host.strip("[]")
            self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            target = (host, int(port))
        self.sock.settimeout(timeout * PATIENCE)
        self.sock.connect(target)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_request(self, path, method="GET", headers=(), body=b"", keep=True, request_id=1, **more):
        self.send(encode_request(cgi_params(path, method, headers, body, **more), body, keep, request_id))

    def read_record(self):
        """(kind, request id, content), or None at a clean end of file."""
        while len(self.buffer) < 8:
            piece = self.sock.recv(65536)
            if not piece:
                if self.buffer:
                    raise Closed(f"in the middle of a header: {self.buffer!r}")
                return None
            self.buffer += piece
        version, kind, request_id, size, padding = struct.unpack("!BBHHBx", self.buffer[:8])
        assert version == 1, f"version {version}"
        while len(self.buffer) < 8 + size + padding:
            piece = self.sock.recv(65536)
            if not piece:
                raise Closed("in the middle of a record")
            self.buffer += piece
        content = self.buffer[8:8 + size]
        self.buffer = self.buffer[8 + size + padding:]
        return kind, request_id, content

    def read_reply(self):
        """One whole response. Raises Closed when the peer closes first."""
        out, saw_end_of_stdout, errors = [], False, b""
        while True:
            got = self.read_record()
            if got is None:
                raise Closed("before END_REQUEST")
            kind, request_id, content = got
            if kind == STDOUT:
                assert not saw_end_of_stdout, "content behind the end of STDOUT"
                saw_end_of_stdout = not content
                out.append(content)
            elif kind == STDERR:
                errors += content
            elif kind == END:
                break
            else:
                raise AssertionError(f"a record of type {kind} in a response")
        reply = parse_cgi(b"".join(out))
        reply.app_status, reply.protocol_status = struct.unpack("!IB3x", content)
        reply.request_id, reply.stderr, reply.has_end_of_stdout = request_id, errors, saw_end_of_stdout
        return reply

    def is_closed(self):
        """Whether the peer has closed; waits for it up to the timeout."""
        try:
            return self.sock.recv(65536) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


def parse_cgi(data):
    """CGI output as Response."""
    if not data:
        return Response(None, [], b"")
    head, _, body = data.partition(b"\r\n\r\n")
    headers = parse_head(head.split(b"\r\n"))
    status = next((int(v.split()[0]) for k, v in headers if k.lower() == "status"), 200)
    return Response(status, [(k, v) for k, v in headers if k.lower() != "status"], body)


def request(address, path, method="GET", headers=(), body=b"", keep=False, timeout=10, **more):
    """One request on a connection of its own."""
    if isinstance(body, str):
        body = body.encode()
    with Connection(address, timeout) as c:
        try:
            c.send_request(path, method, headers, body, keep, **more)
        except (BrokenPipeError, ConnectionResetError):
            pass    # refused before the body was sent: the reply is there to be read
        return c.read_reply()
