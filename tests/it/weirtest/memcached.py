"""A memcached of the test's own, and what may go wrong with it."""

import os
import shutil
import signal
import socket

from .base import LOOPBACK, Proc, free_port, port_answers, program, temp_dir, wait_for


class Memcached:
    """.server is its place in cache.servers. start, stop, kill; freeze and thaw (SIGSTOP, SIGCONT); get, set, keys,
    flush talk to it as another client would."""

    def __init__(self, megabytes=64):
        self.port, self.megabytes = free_port(), megabytes
        self.dir = temp_dir("memcached")
        self.server = f"{LOOPBACK}:{self.port}"
        self.proc = None
        self.start()

    def start(self):
        argv = [program("memcached"), "-l", LOOPBACK, "-p", self.port, "-U", 0, "-m", self.megabytes, "-t", 1, "-v"]
        if os.geteuid() == 0:
            argv += ["-u", "nobody"]
        self.proc = Proc(argv, self.dir / "log", cwd=self.dir)
        self.proc.wait_until(lambda: port_answers(self.port), 10, "memcached to listen")

    def kill(self):
        self.proc.stop(signal.SIGKILL)

    def freeze(self):
        self.proc.send(signal.SIGSTOP)

    def thaw(self):
        self.proc.send(signal.SIGCONT)

    def close(self):
        if self.proc:
            if self.proc.alive():
                self.thaw()
            self.proc.stop(signal.SIGKILL)
            self.proc = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def talk(self, request, *ends):
        """Send bytes; what comes back up to and with one of `ends`."""
        with socket.create_connection((LOOPBACK, self.port), 10) as s:
            s.sendall(request)
            got = b""
            while not got.endswith(ends):
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        return got

    def keys(self):
        """Every key, as text."""
        busy = b"crawler request\r\n"    # another dump has not quite ended
        got = wait_for(lambda: [x for x in [self.talk(b"lru_crawler metadump all\r\n", b"END\r\n", busy)]
                                if not x.endswith(busy)], 5, "the crawler")
        lines = got[0].decode().splitlines()
        return [line.split()[0].removeprefix("key=").replace("%3A", ":") for line in lines if line.startswith("key=")]

    def get(self, key):
        """The value, or None."""
        got = self.talk(f"get {key}\r\n".encode(), b"END\r\n")
        head, _, rest = got.partition(b"\r\n")
        return rest[:int(head.split()[3])] if head.startswith(b"VALUE") else None

    def set(self, key, value):
        assert self.talk(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n", b"\r\n") == b"STORED\r\n"

    def flush(self):
        assert self.talk(b"flush_all\r\n", b"\r\n") == b"OK\r\n"
