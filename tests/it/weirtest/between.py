"""What stands between Weir and PostgreSQL: PgBouncer, and links that fall silent or swallow what is long."""

import os
import shutil
import signal
import sys
from pathlib import Path

from .base import LOOPBACK, Proc, free_port, port_answers, program, temp_dir


class PgBouncer:
    """In front of one cluster, transaction pooling, trust authentication, by TCP."""

    def __init__(self, server, pool_size=4, **settings):
        self.server = server
        self.dir = temp_dir("pgbouncer")
        self.port = free_port()
        self.ini = self.dir / "pgbouncer.ini"
        self.user = "postgres" if os.geteuid() == 0 else None
        options = {"listen_addr": LOOPBACK, "listen_port": self.port, "unix_socket_dir": "", "auth_type": "any",
                   "pool_mode": "transaction", "default_pool_size": pool_size, "max_client_conn": 200,
                   "server_login_retry": 0, **settings}
        self.ini.write_text(
            f"[databases]\n* = host={server.dir} port={server.port} user=postgres\n[pgbouncer]\n"
            + "".join(f"{k} = {v}\n" for k, v in options.items()))
        if self.user:
            shutil.chown(self.dir, self.user, self.user)
        self.proc = None

    def start(self):
        self.proc = Proc([program("pgbouncer"), self.ini], self.dir / "log", user=self.user)
        self.proc.wait_until(lambda: port_answers(self.port), 10, "PgBouncer to listen")
        return self

    def conninfo(self, dbname):
        return f"host={LOOPBACK} port={self.port} dbname={dbname} user=postgres"

    def stop(self, sig=signal.SIGINT):
        if self.proc:
            self.proc.stop(sig)

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


class Relay:
    """A TCP relay to a port. Paused it is a partition: the kernel still acknowledges, nothing arrives, nobody is told. With delay_ms
    whatever comes back is late."""

    def __init__(self, port, delay_ms=0):
        self.port = free_port()
        self.dir = temp_dir("relay")
        self.proc = Proc([sys.executable, Path(__file__).with_name("relay.py"), self.port, port, delay_ms], self.dir / "log")
        self.proc.wait_until(lambda: port_answers(self.port), 10, "the relay to listen")

    def pause(self):
        self.proc.send(signal.SIGSTOP)

    def resume(self):
        self.proc.send(signal.SIGCONT)

    def close(self):
        self.proc.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


class Narrow:
    """A TCP relay that can be made to swallow long packets, while short ones pass."""

    def __init__(self, port, limit=600):
        self.port = free_port()
        self.dir = temp_dir("narrow")
        self.proc = Proc([sys.executable, Path(__file__).with_name("narrow.py"), self.port, port, limit], self.dir / "log")
        self.proc.wait_until(lambda: port_answers(self.port), 10, "the relay to listen")

    def narrow(self):
        self.proc.send(signal.SIGUSR1)

    def widen(self):
        self.proc.send(signal.SIGUSR2)

    def close(self):
        self.proc.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)
