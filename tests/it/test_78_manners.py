"""What people meet on the command line: refusals that say what to do, help without a server, tables that fit."""

import grp
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from weirtest.base import TOP, built, temp_dir, wait_for
from weirtest.fcgi import request
from weirtest.weir import Site, Weird

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n"}
LONG = "/a" + "b" * 190
IS_ROOT = os.geteuid() == 0


def weirctl(*args, user=None, group=None, groups=None, env=None):
    program = built("supervisor/weirctl")
    if user:
        program = temp_dir("bin") / "weirctl"
        shutil.copy(built("supervisor/weirctl"), program)
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, user=user, group=group,
                          extra_groups=groups, env={**os.environ, **(env or {})})


def test_help_needs_no_weird():
    """7.35"""
    r = weirctl("-s", "/nonexistent/sock", "help")
    assert r.returncode == 0 and "reload" in r.stdout and "stop" in r.stdout and not r.stderr
    r = weirctl("-s", "/nonexistent/sock", "help", "cache")
    assert r.returncode == 0 and r.stdout.startswith("cache")
    r = weirctl("-s", "/nonexistent/sock", "help", "relod")
    assert r.returncode == 64 and "did you mean 'reload'?" in r.stderr
    assert weirctl("-s", "/nonexistent/sock", "ping").returncode == 69


@pytest.mark.skipif(not IS_ROOT, reason="becomes other users")
def test_who_may_not_connect_is_told_why(weir):
    """7.35: members of weir-adm got "no weird answers: Permission denied"."""
    w = weir(endpoints=ENDPOINTS, options={"control_group": "games"})
    st = os.stat(w.control)
    games = grp.getgrnam("games").gr_gid
    assert st.st_gid == games and st.st_mode & 0o777 == 0o660
    r = weirctl("-s", w.control, "ping", user="nobody", group=pwd.getpwnam("nobody").pw_gid, groups=[])
    assert r.returncode == 77 and "for the group games, of which nobody is no member" in r.stderr and "usermod -aG games nobody" in r.stderr
    assert "no weird answers" not in r.stderr
    # by a group that is not the first
    r = weirctl("-s", w.control, "log", "level", "info", user="nobody", group=pwd.getpwnam("nobody").pw_gid, groups=[games])
    assert r.returncode == 0, r
    r = weirctl("-s", w.control, "stop", user="nobody", group=pwd.getpwnam("nobody").pw_gid, groups=[games])
    assert r.returncode == 77 and "admin" in r.stderr
    closed = w.dir / "control.sock"
    closed.chmod(0o600)
    r = weirctl("-s", w.control, "ping", user="nobody", group=games, groups=[])
    assert r.returncode == 77 and "alone (mode 0600)" in r.stderr


@pytest.mark.skipif(not IS_ROOT, reason="becomes other users")
def test_weird_gives_its_socket_to_a_group_of_its_user(pg):
    """7.35: that its user is in it by the group database, as the unit makes it, was not seen."""
    site = Site(pg.conninfo, ENDPOINTS, {"control_group": "games"})
    programs = temp_dir("programs")
    for name in ("supervisor/weird", "workers/weir-worker", "workers/weir-monitor"):
        shutil.copy(built(name), programs)
    for path in (site.dir, site.endpoints, site.conf):
        shutil.chown(path, "www-data", "www-data")
    for groups, expected in (([grp.getgrnam("games").gr_gid], "games"), ([], "www-data")):
        p = subprocess.Popen([programs / "weird", "-c", site.conf], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                             user="www-data", group="www-data", extra_groups=groups,
                             env={**os.environ, "WEIR_LIBEXEC": str(programs)})
        try:
            wait_for(lambda: site.control.stat().st_mode & 0o777 == 0o660, 10)
            assert grp.getgrgid(site.control.stat().st_gid).gr_name == expected
        finally:
            p.terminate()
            err = p.communicate(timeout=20)[1]
        assert ("is not in the group games" in err) == (expected != "games"), err
    site.write_conf({"control_group": "no-such-group"})
    r = site.weird("-t", "--offline")
    assert r.returncode == 78 and "no group 'no-such-group'" in r.stderr
    site.write_conf({"control_group": "weir-adm", "socket_owner": "games", "socket_group": "games"})
    r = subprocess.run([programs / "weird", "-c", site.conf], capture_output=True, text=True, user="www-data", group="www-data",
                       extra_groups=[], timeout=20)
    assert "the user www-data cannot give it to socket_owner games and the group games" in r.stderr, r.stderr
    site.remove()


def test_a_long_line_is_refused_by_its_number(weir):
    """7.35: "longer than 4096u bytes"."""
    w = weir(endpoints=ENDPOINTS)
    import re
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.control))
        s.sendall(b"ping " + b"x" * 20000)
        assert re.search(rb"longer than \d+ bytes", s.recv(1000))


@pytest.mark.parametrize("env, width", [({"COLUMNS": ""}, 120), ({"COLUMNS": "80"}, 80), ({"COLUMNS": "300"}, 300)])
def test_tables_fit(weir, env, width):
    """7.35: 203 columns."""
    w = weir(endpoints={**ENDPOINTS, "a_rather_long_name/of_an_endpoint": "-- @route GET /two\nSELECT 1 AS n\n"})
    for command in ("workers", "endpoints", "database", "cache"):
        r = weirctl("-s", w.control, command, env=env)
        assert r.returncode == 0, r
        assert max(map(len, r.stdout.splitlines())) <= width, r.stdout


def test_head_has_no_body_to_count(weir):
    """7.35: HEAD was counted as its body."""
    log = temp_dir("log") / "access"
    w = weir(endpoints={"big": "-- @route GET /big\n-- @returns value\nSELECT repeat('x', 5000) AS n\n",
                        "hit": "-- @route GET /hit\n-- @returns value\n-- @cache 60s\nSELECT repeat('x', 5000) AS n\n"},
             options={"log": {"access": str(log)}})

    def counted():
        return sum(v for k, v in w.metrics().items() if k.startswith("weir_http_response_bytes_total"))
    for path in ("/big", "/hit", "/hit"):
        assert w.get(path, "HEAD").status == 200
    wait_for(lambda: log.exists() and log.read_text().count("\n") == 3, 5)
    assert counted() == 0
    for path in ("/big", "/hit"):
        assert len(w.get(path).body) == 5002
    wait_for(lambda: log.read_text().count("\n") == 5, 5)
    assert [json.loads(x)["bytes"] for x in log.read_text().splitlines()] == [0, 0, 0, 5002, 5002]
    wait_for(lambda: counted() == 2 * 5002, 5)


def test_long_routes_are_told_apart(weir):
    """7.35: routes equal in their first 183 bytes shared a row, and with it their figures."""
    w = weir(endpoints={"x": f"-- @route GET {LONG}/x\n-- @returns value\nSELECT 1 AS n\n",
                        "y": f"-- @route GET {LONG}/y\n-- @returns value\nSELECT 2 AS n\n"})
    assert w.get(f"{LONG}/x").body == b"1" and w.get(f"{LONG}/y").body == b"2"
    rows = {r["id"]: r["requests"] for r in w.ctl("endpoints", json=True).json["endpoints"]}
    assert rows["x"] == 1 and rows["y"] == 1, rows
    assert w.reload().severity != 3
    assert len(w.ctl("endpoints", json=True).json["endpoints"]) == 2


def test_the_layout_sees_what_a_struct_means():
    """7.35: the layout's hash was of sizes, blind to two fields swapped."""
    d = temp_dir("layout")
    text = (TOP / "lib/shm/board.h").read_text()

    def id_of(content):
        (d / "board.h").write_text(content)
        return subprocess.run(["sh", TOP / "lib/shm/layout_id.sh", "cc", d / "board.h"], capture_output=True, text=True,
                              check=True).stdout
    before = id_of(text)
    assert before.startswith("#define LAYOUT_ID ")
    swapped = text.replace("_Atomic uint32_t conns_open, conns_parked;", "_Atomic uint32_t conns_parked, conns_open;")
    assert swapped != text and id_of(swapped) != before
    assert id_of(text.replace("/* requests that wait", "/* words: requests that wait")) == before
    assert (Path(built("supervisor/weird")).parents[1] / "lib/shm/layout_id.h").exists()
