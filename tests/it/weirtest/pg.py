"""A private PostgreSQL cluster."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2

from .base import LOOPBACK, TOP, Failure, Proc, free_port, program, temp_dir, wait_for

MODES = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
APP_ROLE = "weir"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def bin_dir():
    """Folder of the newest installed PostgreSQL server; 15 is the reference."""
    if Path("/usr/lib/postgresql/15/bin/postgres").exists():
        return Path("/usr/lib/postgresql/15/bin")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else Path(program("postgres")).parent


class Postgres:
    """One cluster: unix socket and loopback TCP, trust authentication. start, stop, restart and kill9 may be
    called in any order; close removes everything."""

    def __init__(self, settings=None):
        self.dir = temp_dir("pg")
        self.data = self.dir / "data"
        self.log = self.dir / "log"
        self.port = free_port()
        self.settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.dir),
                         **(settings or {})}
        self.user = "postgres" if os.geteuid() == 0 else None
        self.proc = None
        self.dbname = "postgres"
        self._initdb()

    def _initdb(self):
        if self.user:
            shutil.chown(self.dir, self.user, self.user)
        as_user = ["runuser", "-u", self.user, "--"] if self.user else []
        done = subprocess.run(
            [*as_user, bin_dir() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "-N"], cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"initdb: {done.stderr}{done.stdout}")
        with open(self.data / "postgresql.conf", "a") as f:
            for key, value in self.settings.items():
                f.write(f"{key} = '{value}'\n")

    def start(self, wait=True):
        """Start, and wait until it accepts connections."""
        if self.proc and self.proc.alive():
            return self

        def up():
            if not self.proc or not self.proc.alive():
                # After kill9 the old backends may still hold the shared memory for a moment: try again.
                self.proc = Proc([bin_dir() / "postgres", "-D", self.data], self.log, user=self.user)
            self.connect("postgres").close()
            return True
        if not wait:
            self.proc = Proc([bin_dir() / "postgres", "-D", self.data], self.log, user=self.user)
            return self
        try:
            wait_for(up, 30, "PostgreSQL to accept connections", interval=0.05)
        except Failure as e:
            raise Failure(f"{e}\n{self.proc.log_tail()}") from None
        return self

    def stop(self, mode="fast"):
        if self.proc:
            self.proc.stop(MODES[mode], 30)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill9(self):
        """The postmaster dies without a word; its backends follow by themselves."""
        self.proc.popen.kill()
        self.proc.wait()

    def pause(self):
        """SIGSTOP the postmaster and every backend: the server is there and says nothing."""
        os.killpg(self.proc.pid, signal.SIGSTOP)
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in [self.proc.pid, *self._pids()]:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def _pids(self):
        from .base import children_of
        return list(children_of(self.proc.pid))

    def close(self):
        if self.proc:
            self.resume()
            self.proc.stop(MODES["immediate"])
        shutil.rmtree(self.dir, ignore_errors=True)

    # connecting

    def conninfo_for(self, dbname=None, user=APP_ROLE, tcp=False, **more):
        host = LOOPBACK if tcp else self.dir
        words = {"host": host, "port": self.port, "dbname": dbname or self.dbname, "user": user, **more}
        return " ".join(f"{k}={v}" for k, v in words.items())

    @property
    def conninfo(self):
        """What weir.conf gets: the sample database, as the application's role, by unix socket."""
        return self.conninfo_for()

    def connect(self, dbname=None, user="postgres", **more):
        conn = psycopg2.connect(self.conninfo_for(dbname, user, **more))
        conn.autocommit = True
        return conn

    def sql(self, text, args=None, dbname=None):
        """Run one statement as superuser; its rows, or None."""
        conn = self.connect(dbname)
        try:
            with conn.cursor() as cur:
                cur.execute(text, args)
                return cur.fetchall() if cur.description else None
        finally:
            conn.close()

    def value(self, text, args=None, dbname=None):
        return self.sql(text, args, dbname)[0][0]

    def psql(self, text=None, file=None, dbname=None, **variables):
        """Run SQL, or a file, through psql; its output. Fails on the first error."""
        argv = [bin_dir() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                *(word for k, v in variables.items() for word in ("-v", f"{k}={v}")),
                *(["-f", file] if file else []), self.conninfo_for(dbname, "postgres")]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, cwd=TOP)
        if done.returncode:
            raise Failure(f"psql {file or text!r}: {done.stderr}")
        return done.stdout

    def create_database(self, name):
        """A new, empty database in which the application's role may do anything in schema public."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', dbname="postgres")
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE template0', dbname="postgres")
        self.ensure_role()
        self.sql(f'GRANT ALL ON DATABASE "{name}" TO {APP_ROLE}', dbname="postgres")
        self.sql(f"GRANT ALL ON SCHEMA public TO {APP_ROLE}", dbname=name)
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"):
            self.sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {kind} TO {APP_ROLE}", dbname=name)

    def ensure_role(self):
        if not self.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,), "postgres"):
            self.sql(f"CREATE ROLE {APP_ROLE} LOGIN", dbname="postgres")

    def load_sample(self, scale="0.02", dbname="studio"):
        """The studio of sql/ at a small scale, as quickstart loads it."""
        self.sql(f'CREATE DATABASE "{dbname}" TEMPLATE template0', dbname="postgres")
        sql = TOP / "sql"
        for name, variables in (("schema.sql", {}), ("generate.sql", {"scale": scale}), ("indexes.sql", {}),
                                ("weir/roles.sql", {})):
            if (sql / name).exists():
                self.psql(file=sql / name, dbname=dbname, **variables)
        self.ensure_role()
        self.dbname = dbname

    def backends(self, user=APP_ROLE):
        """Rows of pg_stat_activity of one role, as dicts."""
        conn = self.connect("postgres")
        try:
            with conn.cursor() as cur:
                cur.execute("SELECT pid, datname, state, wait_event, query, application_name, backend_start "
                            "FROM pg_stat_activity WHERE usename = %s ORDER BY pid", (user,))
                names = [d[0] for d in cur.description]
                return [dict(zip(names, row)) for row in cur.fetchall()]
        finally:
            conn.close()

    def kill_backends(self, user=APP_ROLE):
        """Terminate every connection of a role; how many there were."""
        return len(self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                            (user,), "postgres"))

    def promote(self):
        self.sql("SELECT pg_promote(true, 30)", dbname="postgres")


class Standby(Postgres):
    """A streaming hot standby of a running cluster, made by pg_basebackup."""

    def __init__(self, primary, settings=None):
        self.primary = primary
        super().__init__(settings)
        self.dbname = primary.dbname

    def _initdb(self):
        if self.user:
            shutil.chown(self.dir, self.user, self.user)
        as_user = ["runuser", "-u", self.user, "--"] if self.user else []
        done = subprocess.run(
            [*as_user, bin_dir() / "pg_basebackup", "-D", self.data, "-h", self.primary.dir, "-p",
             str(self.primary.port), "-U", "postgres", "-R", "-c", "fast"], cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"pg_basebackup: {done.stderr}{done.stdout}")
        with open(self.data / "postgresql.conf", "a") as f:
            for key, value in self.settings.items():
                f.write(f"{key} = '{value}'\n")
