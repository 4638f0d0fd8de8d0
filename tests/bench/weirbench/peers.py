"""Who is measured. A peer is a name, a setting, where it listens, and how it is started.

A variant is written NAME or NAME:SETTING:SETTING, as in ceiling:own:2 or weir:turn:1."""
import hashlib
import json
import os
import shutil
import socket
import subprocess

from .machine import BenchError, Daemon, need, run, say
from .servers import HERE

ENDPOINTS = {
    # name: (path, parameter, largest value, parameter values that are compared)
    "null": ("/null", "-", 0, [None]),
    "row": ("/row", "id", 10000, [1, 4711, 10000]),
    "rows12": ("/rows12", "-", 0, [None]),
    "rows50": ("/rows50", "grp", 200, [1, 77, 200]),
    "hit": ("/hit", "id", 10000, []),
    "hit50": ("/hit50", "grp", 200, []),
    "same": ("/hit", "id", 10000, []),
    "same50": ("/hit50", "grp", 200, []),
    "q20": ("/q20", "id", 10000, []),
}
CONDITIONAL = {"same", "same50"}    # asked with If-None-Match: *, so the answer is a 304
DEFAULT_ENDPOINTS = ["row", "rows12", "rows50", "null"]
TITLES = {
    "null": "no database work (204)", "row": "one row by key", "rows12": "12 rows",
    "rows50": "50 rows × 6 columns, 8.8 KB", "q20": "20 queries in one request",
    "same": "304 instead of one row", "same50": "304 instead of 50 rows",
    "hit": "one row from the cache, 27 B", "hit50": "50 rows from the cache, 8.8 KB",
}


class Missing(BenchError):
    """A peer that this machine does not have; it is left out, and the table says so."""


class Peer:
    kind = "fastcgi"          # which port of nginx
    label = ""                # how the table calls it
    sync = "–"                # Sync mode, where that means something
    workers = 1
    endpoints = set(ENDPOINTS) - {"hit", "hit50"} - CONDITIONAL

    def __init__(self, setting=()):
        self.setting = setting
        self.variant = ":".join((self.name, *setting))

    def prepare(self, bench):
        """Once, before anything is measured: build, install. Raises Missing."""

    def start(self, bench):
        """Return the Daemon that answers behind nginx."""
        raise NotImplementedError

    def version(self, bench):
        return None


def listener(bench, kind):
    """A listening socket where nginx looks for it; the peer inherits it, and it stays with nobody else."""
    s = socket.socket(socket.AF_UNIX)
    path = bench.nginx.socket(kind)
    s.bind(path)
    bench.user.own(path)
    s.listen(1024)
    return s


class Ceiling(Peer):
    name = "ceiling"
    endpoints = set(ENDPOINTS)

    def __init__(self, setting, wrapper=()):
        super().__init__(setting)
        self.wrapper = wrapper
        self.sync, self.workers = setting[0], int(setting[1])
        self.connections = int(setting[2]) if len(setting) > 2 else 1
        self.label = f"ceiling, bare C, {self.workers} proc."
        if self.connections > 1:
            self.label += f" × {self.connections} conn."

    def argv(self, bench):
        return [*self.wrapper, bench.ceiling(), "-d", bench.postgres.conninfo(), "-s", self.sync,
                "-w", self.workers, "-c", self.connections]

    def start(self, bench):
        argv = self.argv(bench) + ["-l", bench.nginx.socket(self.kind)]
        return Daemon(self.variant, argv, bench.user, bench.log(self.variant))


class Weir(Peer):
    name = "weir"
    endpoints = {"null", "row", "rows12", "rows50", "hit", "hit50", "q20"} | CONDITIONAL

    def __init__(self, setting):
        super().__init__(setting)
        batch, self.workers = setting[0], int(setting[1])
        self.express = int(setting[2]) if len(setting) > 2 else 1
        self.batch = {"own": "off", "off": "off", "turn": "turn"}[batch]
        self.sync = "turn" if self.batch == "turn" else "own"
        self.label = f"**Weir**, {self.workers} worker" + ("s" if self.workers > 1 else "")
        if self.express > 1:
            self.label += f" × {self.express} conn."

    def prepare(self, bench):
        for program in ("weird", "weir-worker", "weir-monitor"):
            bench.weir_program(program)

    def configuration(self, bench):
        """Writes weir.conf; everything not named here is the default."""
        directory = bench.subdir("weir")
        endpoints = os.path.join(directory, "endpoints")
        shutil.rmtree(endpoints, ignore_errors=True)
        shutil.copytree(os.path.join(HERE, "endpoints"), endpoints)
        path = os.path.join(directory, "weir.conf")
        with open(path, "w") as f:
            f.write(f'listen    = "unix:{bench.nginx.socket(self.kind)}"\n'
                    f'control   = "unix:{directory}/control.sock"\n'
                    f'status    = "unix:{directory}/status.sock"\n'
                    f'endpoints = "{endpoints}"\n'
                    f"workers  {{ min = {self.workers}  max = {self.workers} }}\n"
                    "database main {\n"
                    f'  conninfo = "{bench.postgres.conninfo()}"\n'
                    f'  batch = "{self.batch}"\n  express = {self.express}\n}}\n'
                    'log { level = "warning" }\n')
        return path

    def start(self, bench):
        return Daemon(self.variant, [bench.weir_program("weird"), "-c", self.configuration(bench)], bench.user,
                      bench.log(self.variant), env=bench.weir_environment())

    def version(self, bench):
        return run([bench.weir_program("weir-worker"), "-V"]).strip().replace("\n", ", ")


class Worker(Weir):
    """weir-worker alone with the listener on descriptor 0, as spawn-fcgi starts it. `wrapper` goes before it."""
    name = "worker"

    def __init__(self, setting, wrapper=()):
        super().__init__((setting[0], "1", *setting[1:]))
        self.variant, self.wrapper = ":".join((self.name, *setting)), wrapper
        self.label = "**weir-worker** alone"

    def prepare(self, bench):
        bench.weir_program("weir-worker")

    def start(self, bench):
        argv = [*self.wrapper, bench.weir_program("weir-worker"), "-c", self.configuration(bench)]
        with listener(bench, self.kind) as s:
            return Daemon(self.variant, argv, bench.user, bench.log(self.variant), stdin=s)


class Php(Peer):
    name = "php"

    def __init__(self, setting):
        super().__init__(setting)
        self.kind = {"keep": "php-keep", "close": "php-close"}[setting[0]]
        # With keep-alive a child belongs to a connection: as many as nginx may keep, 2 workers x 36.
        self.workers = int(setting[1]) if len(setting) > 1 else {"keep": 72, "close": 16}[setting[0]]
        self.label = f"php-fpm, {self.workers} children, " + ("keep-alive" if setting[0] == "keep" else "no keep-alive")

    def prepare(self, bench):
        self.fpm = None
        for name in ("php-fpm8.2", "php-fpm8.4", "php-fpm8.3", "php-fpm"):
            try:
                self.fpm = need(name, "php8.2-fpm php8.2-pgsql")
                break
            except BenchError:
                continue
        if not self.fpm:
            raise Missing("php-fpm is not installed (Debian packages php8.2-fpm php8.2-pgsql)")
        target = os.path.join(bench.dir, "php")
        shutil.copytree(os.path.join(HERE, "php"), target, dirs_exist_ok=True)
        os.makedirs(os.path.join(bench.dir, "php-ini.d"), exist_ok=True)

    def start(self, bench):
        directory = bench.subdir("php-run")
        with open(os.path.join(directory, "php.ini"), "w") as f:
            f.write("zend_extension=opcache.so\nextension=pgsql.so\nopcache.enable=1\n"
                    "opcache.validate_timestamps=0\nopcache.jit=tracing\nopcache.jit_buffer_size=64M\n"
                    "expose_php=off\nauto_globals_jit=on\npgsql.allow_persistent=1\n"
                    "display_errors=off\nlog_errors=on\nerror_reporting=E_ALL\n")
        with open(os.path.join(directory, "fpm.conf"), "w") as f:
            f.write(f"[global]\npid = {directory}/fpm.pid\nerror_log = {bench.log(self.variant)}\n"
                    "daemonize = no\nlog_level = warning\n[www]\n"
                    f"listen = {bench.nginx.socket(self.kind)}\nlisten.backlog = 1024\n"
                    f"pm = static\npm.max_children = {self.workers}\npm.max_requests = 0\n"
                    "clear_env = no\ncatch_workers_output = no\n")
        env = {**bench.postgres.environment(), "PHP_INI_SCAN_DIR": os.path.join(bench.dir, "php-ini.d")}
        return Daemon(self.variant, [self.fpm, "-F", "-c", f"{directory}/php.ini", "-y", f"{directory}/fpm.conf"],
                      bench.user, bench.log(self.variant), env=env)

    def version(self, bench):
        return run([self.fpm, "-v"]).splitlines()[0]


class Node(Peer):
    kind = "http"
    script = ""
    environment = {}

    def __init__(self, setting):
        super().__init__(setting)
        self.workers = int(setting[0])
        self.pool = int(setting[1])
        self.label = f"{self.title}, {self.workers} proc., pool {self.pool}"

    def prepare(self, bench):
        try:
            self.program = need("node", "nodejs")
        except BenchError as e:
            raise Missing(str(e)) from None
        self.directory = node_packages(bench)

    def start(self, bench):
        env = {**bench.postgres.environment(), "NODE_ENV": "production", "LISTEN": bench.nginx.socket(self.kind),
               "WORKERS": str(self.workers), "POOL": str(self.pool), **self.environment}
        return Daemon(self.variant, [self.program, f"{self.directory}/{self.script}"], bench.user,
                      bench.log(self.variant), env=env)

    def version(self, bench):
        with open(f"{self.directory}/package.json") as f:
            known = json.load(f)
        packages = {**known["dependencies"], **known["optionalDependencies"]}
        return run([self.program, "--version"]).strip() + " " + " ".join(
            f"{p} {packages[p]}" for p in self.packages)


class Express(Node):
    name, title, script, packages = "express", "Express + pg", "express.js", ("express", "pg")


class ExpressStock(Express):
    """ETags and compression on, unnamed statements: what is mostly found, rather than what it can do."""
    name, title, packages = "express-stock", "Express + pg, as mostly found", ("express", "compression", "pg")
    environment = {"STOCK": "1"}


class Fastify(Node):
    name, title, script, packages = "fastify", "Fastify + pg", "fastify.js", ("fastify", "pg")


class FastifyPostgres(Node):
    name, title = "fastify-postgres", "Fastify + postgres.js"
    script, packages = "fastify-postgres.js", ("fastify", "postgres")


class Bun(Node):
    """Bun has no cluster that shares a unix socket: two processes have a socket each."""
    name, title, script, packages = "bun", "Bun + Bun.sql", "bun.js", ("@oven/bun-linux-x64",)

    def __init__(self, setting):
        super().__init__(setting)
        if self.workers > 2:
            raise ValueError("one or two processes")
        self.kind = "http-pair" if self.workers == 2 else "http"

    def prepare(self, bench):
        self.directory = node_packages(bench)
        self.program = f"{self.directory}/node_modules/@oven/bun-linux-x64/bin/bun"
        if not os.access(self.program, os.X_OK):
            raise Missing("the npm package of Bun's binary is not there for this processor")


def node_packages(bench):
    """The npm packages, installed once into the user's cache, copied to where the unprivileged user may read."""
    target = os.path.join(bench.dir, "node")
    if os.path.isdir(target):
        return target
    source = os.path.join(HERE, "node")
    with open(os.path.join(source, "package.json"), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:12]
    cache = os.path.join(bench.cache, f"node-{digest}")
    if not os.path.exists(os.path.join(cache, "complete")):
        try:
            npm = need("npm", "npm")
        except BenchError as e:
            raise Missing(str(e)) from None
        shutil.rmtree(cache, ignore_errors=True)
        os.makedirs(cache)
        shutil.copy(os.path.join(source, "package.json"), cache)
        say(f"installing the node peers' packages into {cache}")
        try:
            run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
                 "--omit=dev", "--prefix", cache], cwd=cache)
        except BenchError as e:
            raise Missing(f"npm install failed: {e}") from None
        open(os.path.join(cache, "complete"), "w").close()
    shutil.copytree(cache, target, symlinks=True)
    for name in os.listdir(source):
        shutil.copy(os.path.join(source, name), target)
    return target


class Pgbench(Peer):
    """The database alone: no web server, no rendering. Not a peer but a bound."""
    name, kind = "pgbench", None
    endpoints = {"row", "rows12", "rows50"}
    CLIENTS = (1, 2, 4, 8, 16, 32)
    label = "pgbench -M prepared (database alone)"
    SCRIPTS = {
        "row": "\\set id random(1, 10000)\nSELECT id, randomnumber FROM world WHERE id = :id;\n",
        "rows12": "SELECT id, message FROM fortune ORDER BY id;\n",
        "rows50": "\\set grp random(1, 200)\n"
                  "SELECT id, name, category, price, featured, description FROM item WHERE grp = :grp ORDER BY id;\n",
    }

    def script(self, bench, endpoint):
        path = os.path.join(bench.dir, f"pgbench-{endpoint}.sql")
        with open(path, "w") as f:
            f.write(self.SCRIPTS[endpoint])
        return path


NAMES = {c.name: c for c in (Ceiling, Weir, Worker, Php, Express, ExpressStock, Fastify, FastifyPostgres, Bun, Pgbench)}

# In this order within a pass: what is compared most closely stands side by side.
# Weir may use a second connection while the first is busy, so the single process may too.
DEFAULT = ["ceiling:own:1", "weir:own:1", "ceiling:own:1:2", "ceiling:own:2", "weir:own:2",
           "ceiling:turn:1", "weir:turn:1", "ceiling:turn:1:2", "ceiling:turn:2", "weir:turn:2",
           "php:keep", "php:close", "fastify:1:4", "fastify:2:8",
           "fastify-postgres:2:2", "express:1:8", "express:2:8",
           "express-stock:1:8", "bun:1:1", "bun:2:1", "pgbench"]


def make(variant):
    name, *setting = variant.split(":")
    if name not in NAMES:
        raise BenchError(f"no peer {name}; there are {', '.join(NAMES)}")
    try:
        return NAMES[name](tuple(setting))
    except (KeyError, IndexError, ValueError):
        raise BenchError(f"no such setting: {variant}") from None


def choose(only):
    """The variants of --only: names stand for all their default variants, NAME:SETTING for itself."""
    if not only:
        return [make(v) for v in DEFAULT]
    chosen = []
    for word in only.split(","):
        if ":" in word or word not in NAMES:
            chosen.append(word)
        else:
            chosen += [v for v in DEFAULT if v == word or v.startswith(word + ":")]
    return [make(v) for v in dict.fromkeys(chosen)]


def reach(program, user):
    """Whether the servers' user may run it."""
    if not user.name:
        return os.access(program, os.X_OK)
    return subprocess.run(["test", "-x", program], **user.keywords()).returncode == 0
