"""The bench: everything started, checked, loaded, counted, and put away."""
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time

from . import peers
from .machine import (BenchError, Meter, User, memory, need, run, say, say_command, wait_for,
                      wait_quiet)
from .servers import HERE, TOP, Nginx, Postgres


def cache_dir():
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir-bench")


def on_term(*_):
    raise KeyboardInterrupt


class Bench:
    """The shared servers and a directory that goes away with them. Use as a context."""

    def __init__(self, build=None, user=None, params="short", nginx=True, keep=False):
        self.build, self.params, self.keep, self.want_nginx = build, params, keep, nginx
        self.user, self.cache = User(user), cache_dir()
        self.postgres = self.nginx = None
        self.installed = None
        self.impatience = 1
        signal.signal(signal.SIGTERM, on_term)
        self.dir = tempfile.mkdtemp(prefix="weir-bench-")

    def __enter__(self):
        try:
            os.chmod(self.dir, 0o755)
            self.user.own(self.dir)
            self.postgres = Postgres(self.dir, self.user)
            if self.want_nginx:
                self.nginx = Nginx(self.dir, self.user, self.params)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in (self.nginx, self.postgres):
            if server:
                server.stop()
        if self.keep:
            say(f"kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def subdir(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        return self.user.own(path)

    def log(self, variant):
        return os.path.join(self.subdir("log"), variant.replace(":", "-") + ".log")

    # ---- what is built ----

    def build_dir(self):
        """--build, or a release build of this source in the temporary directory."""
        if self.build:
            return self.build
        self.build = os.path.join(self.dir, "build")
        os.makedirs(self.build)
        if not os.path.exists(os.path.join(TOP, "configure")):
            run(["autoreconf", "-fi"], cwd=TOP)
        say("building Weir with -O2")
        run([os.path.join(TOP, "configure"), f"--prefix={self.dir}/inst",
             "CFLAGS=-O2 -g -fno-omit-frame-pointer"], cwd=self.build)
        return self.build

    def make(self, *targets):
        run(["make", "-C", self.build_dir(), f"-j{os.cpu_count() or 1}", *targets])

    def reachable(self, program):
        """A program that the servers' user may run: itself, else a copy."""
        if peers.reach(program, self.user):
            return program
        copy = os.path.join(self.subdir("bin"), os.path.basename(program))
        shutil.copy(program, copy)
        return copy

    def ceiling(self):
        if not getattr(self, "_ceiling", None):
            self.make("bench-programs")
            self._ceiling = self.reachable(os.path.join(self.build_dir(), "tests/bench/ceiling"))
        return self._ceiling

    def weir_program(self, name):
        """weird, weir-worker or weir-monitor. All are copied to one folder that the servers' user may read, where
        weird finds its children."""
        if self.installed is None:
            build = self.build_dir()
            self.make("all")
            target = self.subdir("bin")
            found = [os.path.join(build, folder, program) for folder, program in (
                ("supervisor", "weird"), ("workers", "weir-worker"), ("workers", "weir-monitor"))]
            self.installed = [os.path.basename(f) for f in found if os.path.exists(f)]
            for f in found:
                if os.path.exists(f):
                    shutil.copy(f, target)
        if name not in self.installed:
            raise peers.Missing(f"{self.build_dir()} has no {name}")
        return os.path.join(self.dir, "bin", name)

    def weir_environment(self):
        return {"WEIR_LIBEXEC": os.path.join(self.dir, "bin")}

    # ---- one peer ----

    def started(self, peer):
        """Start it and wait until it answers through nginx."""
        sock = self.nginx.socket(peer.kind)
        for path in (sock, sock + ".2"):
            if os.path.exists(path):
                os.unlink(path)
        daemon = peer.start(self)
        try:
            path = "/row?id=1" if "row" in peer.endpoints else "/null"
            wait_for(lambda: os.path.exists(sock) and (peer.kind != "http-pair" or os.path.exists(sock + ".2"))
                     and self.nginx.get(peer.kind, path)[0] in (200, 204),
                     f"{peer.variant} answering {path}", daemon=daemon)
        except BaseException:
            daemon.stop()
            raise
        return daemon

    def digest(self, peer, endpoint):
        """Digest of the answers' canonical JSON; the null endpoint must answer 204."""
        path, param, _, values = peers.ENDPOINTS[endpoint]
        seen = hashlib.sha256()
        for value in values:
            target = path if value is None else f"{path}?{param}={value}"
            status, body = self.nginx.get(peer.kind, target)
            if status != (204 if endpoint == "null" else 200):
                raise BenchError(f"{peer.variant}: {target} answers {status}: {body[:300]!r}")
            if endpoint == "null":
                seen.update(b"204")
                continue
            try:
                document = json.loads(body)
            except ValueError as e:
                raise BenchError(f"{peer.variant}: {target} is no JSON ({e}): {body[:300]!r}") from None
            seen.update(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
        return seen.hexdigest()[:16]

    # ---- load ----

    def wrk(self, peer, endpoint, seconds, connections):
        path, param, top, _ = peers.ENDPOINTS[endpoint]
        argv = [need("wrk", "wrk"), "-t2", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "wrk.lua"),
                self.nginx.url(peer.kind, ""), "--", path, param, str(top), *(["*"] if endpoint in peers.CONDITIONAL else [])]
        text, usage = self.timed(argv)
        try:
            result = json.loads(text.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise BenchError(f"wrk said: {text}") from None
        result["rate"] = round(result["requests"] / (result["us"] / 1e6), 1)
        result["load_cpu_s"] = usage
        return result

    def pgbench(self, peer, endpoint, seconds, clients):
        argv = [f"{self.postgres.bin}/pgbench", "-n", "-M", "prepared", "-h", self.postgres.dir,
                "-U", self.postgres.role, "-f", peer.script(self, endpoint), "-c", str(clients),
                "-j", str(min(clients, 2)), "-T", str(seconds), self.postgres.DATABASE]
        text, usage = self.timed(argv)
        found = {}
        for line in text.splitlines():
            if line.startswith("tps = "):
                found["rate"] = round(float(line.split()[2]), 1)
            elif line.startswith("latency average"):
                found["average"] = float(line.split()[3])
            elif line.startswith("number of transactions actually processed"):
                found["requests"] = int(line.split(":")[1].split("/")[0])
        if "rate" not in found:
            raise BenchError(f"pgbench said: {text}")
        return {**found, "errors": 0, "clients": clients, "load_cpu_s": usage}

    @staticmethod
    def timed(argv):
        """Output and CPU seconds of a load generator."""
        say_command(argv)
        p = subprocess.Popen(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, cwd="/")
        try:
            text = p.stdout.read()
        except BaseException:
            p.kill()
            p.wait()
            raise
        p.stdout.close()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode != 0:
            raise BenchError(f"{argv[0]} failed: {text}")
        return text, round(usage.ru_utime + usage.ru_stime, 3)

    # ---- what stands beside every number ----

    def wait_quiet(self, options):
        """At most options.quiet_wait; half as long each time in vain, so that a busy machine does not cost hours."""
        if not options.quiet_wait:
            return None
        busy = wait_quiet(options.quiet, options.quiet_wait / self.impatience)
        self.impatience = 1 if busy < options.quiet else min(16, self.impatience * 2)
        return busy

    def facts(self):
        def first(argv):
            try:
                done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                return done.stdout.strip().splitlines()[0]
            except (OSError, IndexError):
                return None

        model = None
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processors": os.cpu_count(), "model": model,
            "kernel": platform.release(), "postgres": self.postgres.version(),
            "nginx": first([need("nginx", "nginx-light"), "-v"]) + f", {Nginx.WORKERS} workers",
            "wrk": (first([need("wrk", "wrk"), "-v"]) or "").split(" [")[0].strip(),
            "source": first(["git", "-C", TOP, "describe", "--always", "--dirty"]), "params": self.params,
        }


def measure(bench, peer, daemon, endpoint, options):
    """One run that counts: repeated while others use the machine, then marked."""
    best = None
    for attempt in range(1 if options.quick else 3):
        quiet = bench.wait_quiet(options)
        roots = {"postgres": bench.postgres.daemon.pid}
        if daemon:
            roots.update(app=daemon.pid, nginx=bench.nginx.daemon.pid)
        meter = Meter(roots)
        if peer.kind is None:
            load = bench.pgbench(peer, endpoint, options.seconds, peer.best[endpoint])
        else:
            load = bench.wrk(peer, endpoint, options.seconds, options.connections)
        spent = meter.stop(load["load_cpu_s"])
        spent["cpu_s"]["load"] = load.pop("load_cpu_s")
        result = {**load, **spent, "attempt": attempt + 1, "busy_before": quiet}
        if daemon:
            daemon.check()
            result.update(memory(daemon.pid))
        result["void"] = result["errors"] > 0.002 * max(1, result["requests"])
        result["noisy"] = result["foreign"] > options.quiet
        if best is None or result["foreign"] < best["foreign"]:
            best = result
        if not result["noisy"]:
            break
    n = max(1, best["requests"])
    best["us_per_request"] = {g: round(s * 1e6 / n, 2) for g, s in best["cpu_s"].items()}
    return best

