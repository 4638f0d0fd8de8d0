"""The first of the README's two commands, on what is built already."""

import os
import re
import signal
import subprocess

import pytest

from weirtest.base import BUILD, PATIENCE, TOP, wait_for

ENV = {**os.environ, "WEIR_BUILDDIR": str(BUILD)}
ARGV = [TOP / "examples" / "quickstart", "--yes", "--scale", "0.02"]


def folder_of(text):
    found = re.search(r"^ *folder +(\S+)$", text, re.MULTILINE)
    return found and found.group(1)


def programs_of(folder):
    """Command lines that name the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_check_tries_everything_and_leaves_nothing():
    done = subprocess.run([*ARGV, "--check"], env=ENV, capture_output=True, text=True, timeout=180 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All was as it should be." in done.stdout and "BAD" not in done.stdout
    assert "weir; hit; ttl=" in done.stdout and "detail=invalidated" in done.stdout
    folder = folder_of(done.stdout)
    assert not os.path.exists(folder) and not programs_of(folder)


@pytest.mark.slow
def test_it_keeps_running_until_it_is_interrupted(tmp_path):
    """What it prints to try works; ^C ends all of it."""
    log = tmp_path / "log"
    with open(log, "wb") as out:
        p = subprocess.Popen(ARGV, env=ENV, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))   # ignored below nohup
    try:
        wait_for(lambda: "^C ends everything" in log.read_text() or p.poll() is not None, 120, "all to run")
        text = log.read_text()
        folder = folder_of(text)
        assert p.poll() is None and folder and programs_of(folder), text
        for line in text.partition("Try:\n")[2].strip().splitlines()[:3]:
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20)
            assert done.returncode == 0 and done.stdout.startswith("HTTP/1.1 "), (line, done)
        control = re.search(r"^ *control +(.*) help$", text, re.MULTILINE).group(1)
        assert subprocess.run([*control.split(), "ping"], capture_output=True, text=True, cwd=TOP).stdout == "pong\n"
    finally:
        os.killpg(p.pid, signal.SIGINT)
        assert p.wait(30 * PATIENCE) == 130
    assert not os.path.exists(folder) and not programs_of(folder)
