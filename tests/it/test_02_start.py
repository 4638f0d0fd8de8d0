"""Starting and not starting: -c, -t, -T, -V, faults in the configuration, a second weird, stale sockets."""

import json
import os
import signal
import socket
import subprocess

import pytest

from weirtest.base import Proc, built, free_port, wait_for
from weirtest.fcgi import request
from weirtest.weir import Weird, wait_gone

PING = {"ping": "-- @route GET /ping\n-- @returns none\n"}
ONE = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n"}


def run(*args, **more):
    return subprocess.run([built("supervisor/weird"), *args], capture_output=True, text=True, timeout=30, **more)


def test_version_names_itself_and_its_libraries():
    done = run("-V")
    assert done.returncode == 0
    assert done.stdout.startswith("weird ") or done.stdout.startswith("weir ")
    for library in ("libuv", "jansson", "confuse", "libpq", "libmemcached", "zlib", "brotli", "openssl"):
        assert library in done.stdout.lower(), done.stdout


@pytest.mark.parametrize("args", [["-x-no-such"], ["-c"], ["surplus"]])
def test_bad_usage_is_64(args):
    done = run(*args)
    assert done.returncode == 64
    assert "usage" in done.stderr.lower()


def test_help_is_not_an_error():
    done = run("-h")
    assert done.returncode == 0
    assert "-c" in done.stdout


def test_missing_file_is_78_and_named(tmp_path):
    done = run("-t", "-c", tmp_path / "none.conf")
    assert done.returncode == 78
    assert f"{tmp_path}/none.conf" in done.stderr + done.stdout


def test_effective_configuration_is_json_without_secrets(site):
    s = site("host=/nowhere password=hunter2 user=x", PING, {"limits": {"body": "2MiB"}})
    done = s.weird("-T")
    assert done.returncode == 0, done.stderr
    conf = json.loads(done.stdout)
    assert "hunter2" not in done.stdout
    assert conf["limits"]["body"] in (2 << 20, "2MiB")
    assert conf["workers"]["max"] == 2


def test_good_configuration_passes(pg, site):
    done = site(pg.conninfo, "studio").weird("-t")
    assert done.returncode == 0, done.stdout + done.stderr


def test_offline_needs_no_database(site):
    done = site(None, "studio").weird("-t", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr


def test_directives_that_do_nothing_yet_are_named(pg, site):
    done = site(pg.conninfo, {"a": "-- @route GET /a\n-- @stream\nSELECT 1 AS n\n"}).weird("-t")
    assert done.returncode == 0
    assert "a.sql:2" in done.stdout + done.stderr
    assert "@stream" in done.stdout + done.stderr


BAD_CONF = [
    ("workrs { min = 1 }", 1, ["workrs", "workers"]),
    ('\n\nlisten = "unix:/tmp/x"\nlimits { bodi = "1MiB" }', 4, ["bodi", "body"]),
    ('limits { body = "1 parsec" }', 1, ["body"]),
    ('\nlimits {\n  header_timeout = "fast"\n}', 3, ["header_timeout"]),
    ("workers { min = 0 }", 1, ["min"]),
    ("workers { min = 64 }", 1, ["min", "63"]),
    ("workers { min = 3  max = 2 }", 1, ["min", "max"]),
    ('log { level = "loud" }', 1, ["level", "warning"]),
    ('listen = "nowhere"', 1, ["listen", "unix:"]),
    ('listen = "tcp:127.0.0.1:99999"', 1, ["listen"]),
    ('database main { conninfo = "host=" pool_min = 9 pool_max = 3 }', 1, ["pool_min"]),
    ("listen = \"unix:/tmp/x\n", 1, []),
    ("workers { min = 1", 1, []),
]


@pytest.mark.parametrize("text, line, words", BAD_CONF, ids=[repr(t[0])[:40] for t in BAD_CONF])
def test_fault_in_weir_conf_is_refused_with_its_place(site, text, line, words):
    s = site(None, PING)
    s.conf.write_text(text + "\n" + ("" if "listen" in text else f'listen = "{s.listen}"\n')
                      + f'endpoints = "{s.endpoints}"\n')
    done = s.weird("-t", "--offline")
    said = done.stdout + done.stderr
    assert done.returncode == 78, said
    assert f"{s.conf}:{line}:" in said, said
    for word in words:
        assert word in said, said


BAD_ENDPOINTS = [
    ("-- @rout GET /a\nSELECT 1\n", 1, ["@rout", "@route"]),
    ("SELECT 1\n", 1, ["@route"]),
    ("-- @route FETCH /a\nSELECT 1\n", 1, ["FETCH"]),
    ("-- @route GET a\nSELECT 1\n", 1, ["/"]),
    ("-- @route GET /a\n-- @timeout soon\nSELECT 1\n", 2, ["@timeout"]),
    ("-- @route GET /a\n-- @returns table\nSELECT 1\n", 2, ["@returns", "rows"]),
    ("-- @route GET /a\n-- @param x range 9..1\nSELECT :x\n", 2, ["range"]),
    ("-- @route GET /a\n-- @database other\nSELECT 1\n", 2, ["other"]),
    ("-- @route GET /a\n-- @status 99\nSELECT 1\n", 2, ["@status"]),
    ("-- @route GET /a\n-- @header X: a\n-- @header nocolon\nSELECT 1\n", 3, ["@header"]),
]


@pytest.mark.parametrize("text, line, words", BAD_ENDPOINTS, ids=[repr(t[0])[:44] for t in BAD_ENDPOINTS])
def test_fault_in_an_endpoint_is_refused_with_its_place(site, text, line, words):
    done = site(None, {"deep/bad": text}).weird("-t", "--offline")
    said = done.stdout + done.stderr
    assert done.returncode == 78, said
    assert f"deep/bad.sql:{line}" in said, said
    for word in words:
        assert word in said, said


def test_every_fault_is_reported_not_the_first(site):
    s = site(None, {"a": "-- @rout GET /a\nSELECT 1\n", "b": "-- @route GET /b\n-- @timeout x\nSELECT 1\n"})
    said = (lambda d: d.stdout + d.stderr)(s.weird("-t", "--offline"))
    assert "a.sql:1" in said and "b.sql:2" in said, said


def test_statement_that_does_not_prepare_is_refused_with_its_place(pg, site):
    s = site(pg.conninfo, {"bad": "-- @route GET /bad\n-- Comment.\n\nSELECT nam\n  FROM users\n"})
    done = s.weird("-t")
    said = done.stdout + done.stderr
    assert done.returncode == 78, said
    assert "bad.sql:4" in said and "nam" in said, said


def test_two_endpoints_of_one_route_are_refused(site):
    done = site(None, {"a": "-- @route GET /x/{id}\nSELECT :id\n",
                       "b": "-- @route GET /x/{name}\nSELECT :name\n"}).weird("-t", "--offline")
    assert done.returncode == 78
    assert "a.sql" in done.stdout + done.stderr and "b.sql" in done.stdout + done.stderr


def test_bad_configuration_does_not_start(site):
    s = site(None, PING)
    s.conf.write_text(s.conf.read_text() + "\nbogus = 1\n")
    done = s.weird(timeout=20)
    assert done.returncode == 78
    assert not s.control.exists()


@pytest.mark.san
def test_starts_answers_and_stops(weir):
    w = weir(ONE)
    assert w.get("/one").json == 1
    pids = [w.pid, *w.worker_pids(), w.monitor_pid()]
    assert w.stop() == 0
    wait_gone(pids)
    assert not w.control.exists()


@pytest.mark.san
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_stop_it_and_leave_no_child(weir, sig):
    w = weir(PING, {"workers": {"min": 2, "max": 2}})
    pids = w.worker_pids()
    assert len(pids) == 2
    assert w.stop(sig) == 0
    wait_gone(pids)


def test_no_orphans_when_weird_is_killed(weir):
    w = weir(PING, {"workers": {"min": 2, "max": 2}})
    pids = [*w.worker_pids(), w.monitor_pid()]
    w.proc.popen.kill()
    w.proc.wait()
    wait_gone(pids, 7)


def test_second_weird_is_refused_and_the_first_unharmed(weir):
    w = weir(ONE)
    done = w.site.weird(timeout=20)
    assert done.returncode == 1, done.stderr
    assert str(w.pid) in done.stderr + done.stdout
    assert w.get("/one").json == 1
    assert w.ctl("ping").ok


def test_stale_sockets_are_taken_over(weir):
    w = weir(ONE)
    pids = w.worker_pids()
    w.proc.popen.kill()
    w.proc.wait()
    wait_gone(pids, 7)
    assert w.control.exists()
    w.start()
    assert w.get("/one").json == 1


def test_starts_without_its_database(weir, own_pg):
    """The process is up, requests get 503 at once, and service is back within a second of the database."""
    own_pg.stop()
    w = weir(ONE, conninfo=own_pg.conninfo)
    answer = w.get("/one")
    assert answer.status == 503
    assert answer.code == "db_down"
    assert int(answer.header("Retry-After")) >= 0
    said = w.ctl("database")
    assert "main" in said.body
    own_pg.start()
    wait_for(lambda: w.get("/one").status == 200, 3, "service after the database came")


def test_tcp_listener_and_several_listeners(pg, weir, site):
    port = free_port()
    s = site(pg.conninfo, ONE)
    s.write_conf({"listen": [s.listen, f"tcp:127.0.0.1:{port}"]})
    weir(site=s)
    assert request(s.listen, "/one").json == 1
    assert request(f"tcp:127.0.0.1:{port}", "/one").json == 1


def test_socket_mode_is_set(weir):
    w = weir(PING, {"socket_mode": "0640", "control_mode": "0600"})
    assert os.stat(w.listen.removeprefix("unix:")).st_mode & 0o777 == 0o640
    assert os.stat(w.control).st_mode & 0o777 == 0o600


def test_inherits_listeners(pg, site):
    """LISTEN_FDS, as systemd's socket units pass them: matched to the configured addresses."""
    s = site(pg.conninfo, ONE)
    path = s.listen.removeprefix("unix:")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(16)
    helper = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
              "os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['LISTEN_FDS'] = '1'; "
              "os.execv(sys.argv[2], sys.argv[2:])")
    inode = os.fstat(listener.fileno()).st_ino
    proc = Proc(["/usr/bin/python3", "-c", helper, listener.fileno(), built("supervisor/weird"), "-c", s.conf],
                s.dir / "log", pass_fds=(listener.fileno(),))
    try:
        w = Weird.__new__(Weird)
        w.site, w.conf, w.dir, w.listen, w.control, w.proc = s, s.conf, s.dir, s.listen, s.control, proc
        w.wait_ready()
        assert w.get("/one").json == 1
        [worker] = w.worker_pids()
        assert os.readlink(f"/proc/{worker}/fd/0") == f"socket:[{inode}]"
    finally:
        proc.stop()
        listener.close()


def test_tells_systemd_when_it_is_ready(pg, site):
    s = site(pg.conninfo, ONE)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(s.dir / "notify"))
    notify.settimeout(15)
    w = Weird(s, env={"NOTIFY_SOCKET": str(s.dir / "notify")}, wait=False)
    try:
        said = ""
        while "READY=1" not in said:
            said += notify.recv(4096).decode() + "\n"
        assert w.get("/one").status == 200
        w.proc.send(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said += notify.recv(4096).decode() + "\n"
    finally:
        w.stop()
        notify.close()


def test_worker_alone_wants_a_listener(site):
    s = site(None, PING)
    done = subprocess.run([built("workers/weir-worker"), "-c", s.conf], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 64
    assert "spawn-fcgi" in done.stderr
