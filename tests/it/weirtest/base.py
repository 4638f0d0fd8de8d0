"""Paths, processes, ports and waiting."""

import atexit
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("WEIR_BUILDDIR") or TOP / "build").resolve()
LOOPBACK = "127.0.0.1"

# Sanitized programs are several times slower; deadlines of tests grow by it.
SANITIZED = "-san" in BUILD.name or bool(os.environ.get("WEIR_SANITIZED"))
PATIENCE = 4 if SANITIZED else 1


class Failure(AssertionError):
    """A server did not do what the test needs; the message holds the end of its log."""


def program(name, *more_dirs):
    """Full path of an installed program. A missing one fails the test, it never skips it."""
    path = os.pathsep.join([*map(str, more_dirs), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if not found:
        raise Failure(f"{name} is not installed; tests/run packages installs what the tests need")
    return found


def built(name):
    """Path of a program of ours in the build tree: "supervisor/weird"."""
    path = BUILD / name
    if not os.access(path, os.X_OK):
        raise Failure(f"{path} is not built (WEIR_BUILDDIR={BUILD})")
    return path



def wait_for(condition, timeout=10.0, what=None, interval=0.01):
    """Call condition until it returns something true, and return that. Exceptions of the kinds that a server
    causes while it starts or stops count as false; the last one is shown when time is up."""
    deadline = time.monotonic() + timeout * PATIENCE
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, ValueError, KeyError, LookupError, AssertionError) as e:
            last = e
        except Exception as e:  # psycopg2.Error without importing it here
            if type(e).__module__.split(".")[0] != "psycopg2":
                raise
            last = e
        if time.monotonic() > deadline:
            raise Failure(f"waited {timeout * PATIENCE:g} s for {what or condition}: {last!r}")
        time.sleep(interval)
        interval = min(interval * 1.3, 0.2)


_given_ports = set()


def free_port():
    """A loopback TCP port that nobody listens on and that this run has not handed out yet."""
    while True:
        with socket.socket() as s:
            s.bind((LOOPBACK, 0))
            port = s.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


_root = None


def temp_dir(name):
    """A temporary directory that servers running as other users can reach; all of a run's go at its end. Paths stay
    short: a unix socket's is limited to 107 bytes."""
    global _root
    if _root is None:
        _root = Path(tempfile.mkdtemp(prefix="weirtest-", dir="/tmp"))
        _root.chmod(0o755)
        atexit.register(shutil.rmtree, _root, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_root))
    path.chmod(0o755)
    return path


def port_answers(port):
    with socket.create_connection((LOOPBACK, port), 0.5):
        return True


def unix_answers(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(0.5)
        s.connect(str(path))
        return True


def user_exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives a killed test run


class Proc:
    """One server process in a session of its own, its output in a file."""

    def __init__(self, argv, log, cwd="/", env=None, user=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.argv = [str(a) for a in argv]
        self.log = Path(log)
        as_user = {}
        if user and os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid]}
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=out, stderr=out, cwd=cwd, env={**os.environ, **(env or {})},
                start_new_session=True, preexec_fn=_die_with_parent, pass_fds=pass_fds, **as_user)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def wait_until(self, condition, timeout=10.0, what=None):
        """Wait for condition, but fail at once when the process ends before it holds."""
        def check():
            if not self.alive():
                return "ended"
            return condition() and "holds"
        try:
            outcome = wait_for(check, timeout, what or f"{self.argv[0]} to be ready")
        except Failure as e:
            raise Failure(f"{e}\n{self.log_tail()}") from None
        if outcome == "ended":
            raise Failure(f"{' '.join(self.argv)} ended with {self.popen.returncode}\n{self.log_tail()}")

    def send(self, sig):
        self.popen.send_signal(sig)

    def wait(self, timeout=10.0):
        """Exit status, negative for a signal."""
        try:
            return self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.argv[0]} did not end in {timeout * PATIENCE:g} s\n{self.log_tail()}") from None

    def stop(self, sig=signal.SIGTERM, timeout=10.0):
        """End the process and whatever is left of its process group. Returns the exit status; None if it had to
        be killed."""
        status = None
        if self.alive():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(sig)
        try:
            status = self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
        return status


def children_of(pid):
    """{pid: command name} of the direct children."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        if int(rest[1]) == pid:
            found[int(entry.name)] = name
    return found


def rss_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_fds(pid):
    """{number: target} of a process's descriptors."""
    base = Path(f"/proc/{pid}/fd")
    found = {}
    for entry in base.iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except OSError:
            pass
    return found
