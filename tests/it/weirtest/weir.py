"""weird under test, and weir-worker started alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .base import PATIENCE, TOP, Failure, Proc, built, children_of, temp_dir, wait_for
from .fcgi import request

STUDIO = TOP / "examples" / "studio" / "endpoints"
SAN_ENV = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def render_value(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(render_value(v) for v in value) + "}"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def render_conf(settings):
    """weir.conf from a dict: {"workers": {...}} is a section, {"database": {name: {...}}} are database blocks."""
    out = []
    for key, value in settings.items():
        if key == "database":
            for name, block in value.items():
                inner = "".join(f"  {k} = {render_value(v)}\n" for k, v in block.items())
                out.append(f"database {name} {{\n{inner}}}\n")
        elif isinstance(value, dict):
            inner = "".join(f"  {k} = {render_value(v)}\n" for k, v in value.items())
            out.append(f"{key} {{\n{inner}}}\n")
        else:
            out.append(f"{key} = {render_value(value)}\n")
    return "".join(out)


def merged(base, more):
    out = dict(base)
    for key, value in (more or {}).items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out


class Site:
    """A directory with weir.conf, the endpoints and the sockets.

    endpoints: {"models/list": text, ...} (".sql" is added), "studio" for the example application, or a path.
    options: merged over the defaults, as render_conf takes them; None removes a key."""

    def __init__(self, conninfo=None, endpoints="studio", options=None, name="site"):
        self.dir = temp_dir(name)
        self.conf = self.dir / "weir.conf"
        self.endpoints = self.dir / "endpoints"
        self.listen = f"unix:{self.dir}/weir.sock"
        self.status = f"unix:{self.dir}/status.sock"
        self.control = self.dir / "control.sock"
        self.settings = merged({
            "listen": self.listen,
            "control": f"unix:{self.control}",
            "status": self.status,
            "endpoints": self.endpoints,
            "socket_mode": "0666",
            "workers": {"min": 1, "max": 2},
            "database": {"main": {"conninfo": conninfo or f"host={self.dir}/none", "pool_min": 2, "pool_max": 8}},
            "log": {"level": "info", "file": "stderr"},
            "auth": {"user_param": "REMOTE_USER"},      # not the default: most tests name their caller so
        }, options)
        if "status" not in self.settings:
            self.status = None
        first = self.settings["listen"]
        self.listen = first[0] if isinstance(first, (list, tuple)) else first
        self.endpoints.mkdir()
        if endpoints == "studio":
            shutil.copytree(STUDIO, self.endpoints, dirs_exist_ok=True)
        elif isinstance(endpoints, dict):
            for path, text in endpoints.items():
                self.write_endpoint(path, text)
        elif endpoints:
            shutil.copytree(endpoints, self.endpoints, dirs_exist_ok=True)
        self.write_conf()

    def write_conf(self, options=None):
        """Write weir.conf again, with more options merged in."""
        self.settings = merged(self.settings, options)
        self.conf.write_text(render_conf(self.settings))

    def write_endpoint(self, path, text):
        file = self.endpoints / (path if path.endswith(".sql") else path + ".sql")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def remove_endpoint(self, path):
        (self.endpoints / (path if path.endswith(".sql") else path + ".sql")).unlink()

    def weird(self, *args, env=None, timeout=60):
        """Run weird to its end: weird("-t") tests this site's configuration. A CompletedProcess."""
        return subprocess.run([built("supervisor/weird"), *args, "-c", self.conf], capture_output=True, text=True,
                              timeout=timeout, env={**os.environ, **SAN_ENV, **(env or {})})

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def settled_log(proc):
    """The log once it is quiet: a worker says what happened after it has answered, and weird passes that on."""
    text = proc.log_text()
    for _ in range(10):
        time.sleep(0.02)
        before, text = text, proc.log_text()
        if text == before:
            break
    return text


class CtlResult:
    """Answer on the control socket: .severity (6 done, 4 warning, 3 failed), .text, .body, .json."""

    def __init__(self, raw):
        head, _, body = raw.partition("\n")
        severity, _, self.text = head.partition(" ")
        self.severity = int(severity)
        self.ok = self.severity == 6
        self.body = body.rstrip("\n")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.severity} {self.text!r} {self.body[:200]!r}>"


class Weird:
    """A running weird with its children."""

    def __init__(self, site, args=(), env=None, wait=True):
        self.site = site
        self.conf, self.dir = site.conf, site.dir
        self.listen, self.status, self.control = site.listen, site.status, site.control
        self.args, self.env = list(args), {**SAN_ENV, **(env or {})}
        self.proc = None
        self.start(wait)

    def start(self, wait=True):
        self.proc = Proc([built("supervisor/weird"), *self.args, "-c", self.conf], self.dir / "log", env=self.env)
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout=15):
        least = self.site.settings.get("workers", {}).get("min", 1)
        self.proc.wait_until(lambda: len(self.workers("ready")) >= least, timeout, "weird to have its workers ready")
        # until weir-monitor has looked nothing under tags is kept; one that cannot look is not waited for
        until = time.monotonic() + 2
        while not self._settled() and time.monotonic() < until:
            time.sleep(0.02)

    def _settled(self):
        found = self.metrics()
        return not any(v and found.get("weir_db_up" + k.removeprefix("weir_cache_unsettled")) != 0
                       for k, v in found.items() if k.startswith("weir_cache_unsettled"))

    def wait_listening(self, timeout=15):
        """Until weir-monitor hears of writes: what is cached under tags before that is distrusted once. self."""
        self.proc.wait_until(lambda: any(v == 1 for k, v in self.metrics().items()
                                         if k.startswith("weir_cache_invalidation_listening")),
                             timeout, "weir-monitor to listen")
        return self

    @property
    def pid(self):
        return self.proc.pid

    def ctl(self, *words, json=False, timeout=60):
        """One command on the control socket, as CtlResult."""
        line = " ".join([*map(str, words), *(["json"] if json else [])]) + "\n"
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout * PATIENCE)
            s.connect(str(self.control))
            s.sendall(line.encode())
            data = b""
            while not data.endswith(b"\n\n"):
                piece = s.recv(65536)
                if not piece:
                    break
                data += piece
        if not data:
            raise Failure(f"the control socket closed without an answer to {line!r}")
        return CtlResult(data.decode())

    def weirctl(self, *args, timeout=60, **popen):
        return subprocess.run([built("supervisor/weirctl"), "-s", self.control, *map(str, args)], capture_output=True,
                              text=True, timeout=timeout * PATIENCE, env={**os.environ, **SAN_ENV}, **popen)

    def processes(self):
        """Rows of `workers json`: dicts with at least name, number, pid and state."""
        answer = self.ctl("workers", json=True).json
        return answer["workers"] if isinstance(answer, dict) else answer

    def workers(self, state=None):
        """Rows of the weir-workers, of one state or all that have a process."""
        rows = [r for r in self.processes() if "monitor" not in str(r.get("name", r.get("kind", "")))]
        return [r for r in rows if (r["state"] == state if state else r.get("pid"))]

    def worker_pids(self):
        """From /proc, so that it works whatever state weird is in."""
        return sorted(p for p, name in children_of(self.pid).items() if name == "weir-worker")

    def monitor_pid(self):
        found = [p for p, name in children_of(self.pid).items() if name == "weir-monitor"]
        return found[0] if found else None

    def reload(self):
        return self.ctl("reload")

    def metrics(self):
        """{name{labels}: value} of all samples."""
        found = {}
        for line in self.ctl("metrics").body.splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                found[key] = float(value)
        return found

    def get(self, path, method="GET", **more):
        """A request straight over FastCGI, without a web server; more: headers, body, FastCGI parameters."""
        return request(self.listen, path, method, **more)

    def log_text(self):
        return settled_log(self.proc)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        return self.proc.stop(sig, timeout)


class LoneWorker:
    """weir-worker with the listener on descriptor 0 and nobody above it."""

    def __init__(self, site, wait=True, env=None):
        self.site = site
        self.listen = site.listen
        self.listener = socket.socket(socket.AF_UNIX)
        self.path = Path(site.listen.removeprefix("unix:"))
        self.path.unlink(missing_ok=True)
        self.listener.bind(str(self.path))
        self.path.chmod(0o666)
        self.listener.listen(128)
        self.proc = Proc([built("workers/weir-worker"), "-c", site.conf], site.dir / "worker.log",
                         stdin=self.listener, env={**SAN_ENV, **(env or {})})
        if wait:
            self.proc.wait_until(self._answers, 15, "weir-worker to answer")

    def _answers(self):
        return request(self.listen, "/weirtest-is-it-up", timeout=1).status == 404

    @property
    def pid(self):
        return self.proc.pid

    def get(self, path, method="GET", **more):
        return request(self.listen, path, method, **more)

    def log_text(self):
        return settled_log(self.proc)

    def stop(self, sig=signal.SIGTERM, timeout=10):
        status = self.proc.stop(sig, timeout)
        self.listener.close()
        return status


def wait_gone(pids, timeout=10):
    """Wait until none of these processes exists."""
    wait_for(lambda: not [p for p in pids if Path(f"/proc/{p}").exists()], timeout, f"processes {pids} to end")
