"""Processes and the machine: starting and ending what we own, CPU and memory from /proc."""
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something the person in front can act on; printed without a traceback."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def say_command(argv):
    say("+ " + shlex.join(str(a) for a in argv))


def need(program, package):
    """The path of a program, also where only root's PATH leads."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/bin")
    if not found:
        raise BenchError(f"{program} is not installed (Debian package {package})")
    return found


class User:
    """Whom servers run as: an unprivileged user when we are root, else ourselves."""

    def __init__(self, name=None):
        self.name = None
        if os.geteuid() != 0:
            return
        for candidate in [name] if name else ["postgres", "nobody"]:
            try:
                entry = pwd.getpwnam(candidate)
            except KeyError:
                continue
            self.name, self.uid, self.gid = candidate, entry.pw_uid, entry.pw_gid
            return
        raise BenchError(f"no unprivileged user {name or 'postgres or nobody'} to run the servers as")

    def keywords(self):
        if not self.name:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path):
        if self.name:
            os.chown(path, self.uid, self.gid)
        return path


def run(argv, user=None, **kw):
    """Run to the end; a failure shows the command and what it said."""
    say_command(argv)
    kw.setdefault("cwd", "/")
    done = subprocess.run([str(a) for a in argv], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **(user.keywords() if user else {}), **kw)
    if done.returncode != 0:
        raise BenchError(f"{shlex.join(str(a) for a in argv)}\n{done.stdout}exit status {done.returncode}")
    return done.stdout


class Daemon:
    """A process that stays, its log, and its end."""

    def __init__(self, name, argv, user, log, env=None, stop_signal=signal.SIGTERM, stdin=subprocess.DEVNULL):
        self.name, self.log, self.stop_signal = name, log, stop_signal
        say_command(argv)
        with open(log, "ab") as out:
            user.own(log)
            self.process = subprocess.Popen(
                [str(a) for a in argv], stdin=stdin, stdout=out, stderr=out, cwd="/",
                env={**os.environ, **(env or {})}, start_new_session=True, **user.keywords())

    @property
    def pid(self):
        return self.process.pid

    def check(self):
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended with status {self.process.returncode}\n{self.tail()}")

    def tail(self, lines=15):
        try:
            with open(self.log, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def stop(self, timeout=10):
        """Ask, wait, then end the whole session we made for it."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                say(f"{self.name} does not stop, killing it")
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def wait_for(condition, what, timeout=20, daemon=None):
    """Poll until condition() is true; a daemon that died in between says why."""
    end = time.monotonic() + timeout
    while True:
        if daemon:
            daemon.check()
        if condition():
            return
        if time.monotonic() > end:
            raise BenchError(f"{what}: not within {timeout} s" + (f"\n{daemon.tail()}" if daemon else ""))
        time.sleep(0.02)


def processes():
    """pid -> (parent, name, own ticks, ticks of reaped children)"""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as f:
                text = f.read().decode(errors="replace")
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        table[int(entry)] = (int(fields[1]), name, int(fields[11]) + int(fields[12]),
                             int(fields[13]) + int(fields[14]))
    return table


def family(table, root):
    """root and all that descends from it."""
    children = {}
    for pid, row in table.items():
        children.setdefault(row[0], []).append(pid)
    found, todo = set(), [root]
    while todo:
        pid = todo.pop()
        if pid in table and pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def machine_ticks():
    """(busy, stolen, all) ticks of all processors since boot."""
    with open("/proc/stat") as f:
        n = [int(x) for x in f.readline().split()[1:9]]
    user, nice, system, idle, iowait, irq, softirq, steal = n
    busy = user + nice + system + irq + softirq
    return busy, steal, busy + steal + idle + iowait


class Meter:
    """CPU between start() and stop(), by group; a group is named by the pid at its root.
    What belongs to no group and is not this program is foreign."""

    def __init__(self, roots):
        self.roots = roots
        self.before = processes()
        self.machine = machine_ticks()
        self.time = time.monotonic()

    def stop(self, loaded=0):
        """`loaded`: CPU seconds of the load generator, which has ended by now."""
        after, machine = processes(), machine_ticks()
        seconds = time.monotonic() - self.time
        owner, groups, by_name = {}, {}, {}
        for group, root in self.roots.items():
            for pid in family(after, root) | family(self.before, root):
                owner.setdefault(pid, group)
        owner[os.getpid()] = "self"
        foreign = 0
        for pid, (_, name, own, reaped) in after.items():
            was = self.before.get(pid, (0, "", 0, 0))
            group = owner.get(pid)
            if group is None:
                foreign += own - was[2] + reaped - was[3]
                continue
            used = own - was[2] + (reaped - was[3] if group != "self" else 0)
            groups[group] = groups.get(group, 0) + used
            by_name[f"{group}/{name}"] = by_name.get(f"{group}/{name}", 0) + used
        total = max(1, machine[2] - self.machine[2])
        # A child that others reap brings its whole life with it, so what was busy at all is the bound.
        foreign = min(foreign, max(0, machine[0] - self.machine[0] - sum(groups.values()) - loaded * TICKS))
        return {
            "seconds": seconds,
            "cpu_s": {g: round(t / TICKS, 3) for g, t in groups.items() if g != "self"},
            "cpu_s_by_process": {n: round(t / TICKS, 3) for n, t in by_name.items() if not n.startswith("self/")},
            "busy": round((machine[0] - self.machine[0]) / total, 4),
            "steal": round((machine[1] - self.machine[1]) / total, 4),
            "foreign": round(foreign / TICKS / seconds / (os.cpu_count() or 1), 4),
        }


def memory(root, only=False):
    """RSS, PSS and what is private and no file's (anon: no shared memory) of a process and its descendants, in kB; of itself
    alone with `only`."""
    sums = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for pid in {root} if only else family(processes(), root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                for line in f:
                    word = line.split(":")[0]
                    if word in sums:
                        sums[word] += int(line.split()[1])
        except OSError:
            continue
    return {"rss_kb": sums["Rss"], "pss_kb": sums["Pss"], "anon_kb": sums["Anonymous"]}


def wait_quiet(limit=0.06, timeout=60):
    """Wait until a second passes with less than `limit` of the machine in use. Says how busy it was last."""
    end = time.monotonic() + timeout
    while True:
        before = machine_ticks()
        time.sleep(1)
        after = machine_ticks()
        busy = (after[0] - before[0]) / max(1, after[2] - before[2])
        if busy < limit or time.monotonic() >= end:
            return busy
