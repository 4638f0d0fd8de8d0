"""The control socket: framing, bounds, clients that misbehave, every command of lib/tbl/commands.h, weirctl."""

import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import termios
import time

import pytest

from weirtest.base import PATIENCE, TOP, built, rss_bytes, temp_dir, wait_for

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n"}


@pytest.fixture(scope="module")
def w(module_weir):
    return module_weir(endpoints=ENDPOINTS)


class Client:
    def __init__(self, w):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20 * PATIENCE)
        self.s.connect(str(w.control))
        self.data = b""

    def send(self, data):
        self.s.sendall(data)

    def reply(self):
        """One whole reply, as text; None at the end of the connection."""
        while b"\n\n" not in self.data:
            try:
                piece = self.s.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            self.data += piece
        one, _, self.data = self.data.partition(b"\n\n")
        return one.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()


def answers(w):
    return w.ctl("ping").text == "pong"


# ---- framing and bounds ----

def test_ping(w):
    assert answers(w)


def test_semicolon_batch_answers_each_in_order(w):
    with Client(w) as c:
        c.send(b"ping;version ; ; help ping;nonsense; ping\n")
        got = [c.reply() for _ in range(5)]
    assert got[0].startswith("6 pong")
    assert got[1].startswith("6 weird ")
    assert "Answer pong." in got[2]
    assert got[3].startswith("3 ")
    assert got[4].startswith("6 pong")


def test_many_lines_in_one_send(w):
    with Client(w) as c:
        c.send(b"ping\n" * 300)
        assert all(c.reply() == "6 pong" for _ in range(300))


def test_unknown_word_names_the_nearest(w):
    r = w.ctl("relaod")
    assert r.severity == 3
    assert "reload" in r.text


def test_a_partial_line_is_not_carried_out(w):
    with Client(w) as c:
        c.send(b"sto")
        for _ in range(2):  # the second is read in a later turn than the one that found the first half
            assert answers(w)
        c.send(b"p")
    with Client(w) as c:
        c.send(b"pin")
        c.send(b"g\n")
        assert c.reply() == "6 pong"
    assert w.proc.alive()
    assert answers(w)


def test_oversize_line_is_refused(w):
    with Client(w) as c:
        try:
            c.send(b"x" * 100_000)
        except OSError:
            pass
        first = c.reply()
        assert first is None or first.startswith("3 ")
    assert answers(w)


def test_the_longest_line_is_admitted(w):
    with Client(w) as c:
        c.send(b"ping" + b" " * 4092 + b"\n")
        assert c.reply() == "6 pong"


def test_garbage_is_refused(w):
    with Client(w) as c:
        c.send(b"\x00\x01\xff\xfe\n\n\r\nping\r\n")
        assert c.reply().startswith("3 ")
        assert c.reply() == "6 pong"
    assert answers(w)


def test_abrupt_close_during_a_long_command(w):
    for _ in range(5):
        with Client(w) as c:
            c.send(b"reload\n")
    wait_for(lambda: w.ctl("reload").severity != 3, 20, "reloads nobody waits for to end")
    assert answers(w)


def test_half_close_still_gets_its_answer(w):
    with Client(w) as c:
        c.send(b"ping\nversion\n")
        c.s.shutdown(socket.SHUT_WR)
        assert c.reply() == "6 pong"
        assert c.reply().startswith("6 weird ")
        assert c.reply() is None


def test_sixty_five_clients(w):
    clients = [Client(w) for _ in range(64)]
    try:
        for c in clients:
            c.send(b"ping\n")
            assert c.reply() == "6 pong"
        with Client(w) as newcomer:
            newcomer.send(b"ping\n")
            assert newcomer.reply() == "6 pong"
            # the one that was idle longest made room
            assert clients[0].reply() is None
        clients[40].send(b"ping\n")
        assert clients[40].reply() == "6 pong"
    finally:
        for c in clients:
            c.s.close()
    assert answers(w)


def test_a_reader_that_never_reads_delays_nobody(w):
    with Client(w) as c:
        c.s.setblocking(False)
        sent = 0
        try:
            for _ in range(20000):
                sent += c.s.send(b"metrics\n")
        except (BlockingIOError, ConnectionError):
            pass
        begin = time.monotonic()
        for _ in range(20):
            assert answers(w)
        assert time.monotonic() - begin < 2 * PATIENCE
    rss = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{w.pid}/status").read()).group(1))
    assert rss < 200_000 * PATIENCE


def test_other_clients_go_on_during_a_reload(w):
    with Client(w) as slow, Client(w) as quick:
        slow.send(b"reload\n")
        for _ in range(50):
            quick.send(b"ping\n")
            assert quick.reply() == "6 pong"
        assert slow.reply()[0] in "64"


# ---- each command ----

def commands():
    text = (TOP / "lib" / "tbl" / "commands.h").read_text()
    return re.findall(r'^CMD\((\w+), "(\w+)", "([^"]*)"', text, re.M)


def test_every_command_has_its_test():
    here = open(__file__).read()
    for name, word, _ in commands():
        assert f"def test_{name}" in here, word


def test_cache(module_weir):
    w = module_weir(endpoints={"kept": "-- @route GET /kept/{id}\n-- @returns row\n-- @cache 60s tags kept:{id}\n"
                                        "SELECT :id::int AS id\n"}).wait_listening()
    w.get("/kept/1")
    w.get("/kept/1")

    def counted():
        answer = w.ctl("cache", json=True).json
        return answer["endpoints"][0]["hits"] == 1 and answer

    # a request is counted when its last byte has left, which the client may see first
    shown = wait_for(counted, 5, "the requests to be counted")
    row = shown["endpoints"][0]
    assert row["endpoint"] == "kept" and row["misses"] == 1 and row["hit_ratio"] == 0.5
    zones = {z["zone"]: z for z in shown["zones"]}
    assert zones["data"]["entries"] >= 1 and zones["data"]["bytes_used"] <= zones["data"]["bytes_total"] <= 64 << 20
    assert "kept" in w.ctl("cache").body
    entries = w.ctl("cache keys kept", json=True).json["entries"]
    assert len(entries) == 1 and entries[0]["status"] == 200 and re.fullmatch("[0-9a-f]{32}", entries[0]["key"])
    got = w.ctl("cache get " + entries[0]["key"], json=True).json
    assert json.loads(got["content"])["id"] == 1 and got["entry"]["endpoint"] == "kept"
    assert w.ctl("cache get " + "0" * 32).severity == 3
    assert w.ctl("cache keys nosuch").severity == 3

    def is_hit():
        return "hit" in w.get("/kept/1").header("cache-status")

    for words in ("purge key " + entries[0]["key"], "purge endpoint kept", "purge all", "purge tag kept:1"):
        assert is_hit()
        assert w.ctl("cache " + words).ok, words
        assert not is_hit(), words
    assert w.ctl("cache purge endpoint kept soft").ok
    assert "ttl=-" in w.get("/kept/1").header("cache-status")
    wait_for(lambda: "ttl=-" not in w.get("/kept/1").header("cache-status"), 5, "it to be refreshed")
    assert w.weirctl("cache", "purge", "all", "--soft").returncode == 0
    assert "ttl=-" in w.get("/kept/1").header("cache-status")
    for words in ("purge", "purge it", "purge tag", "purge tag a b", "purge tag a soft", "show", "get", "purge all now"):
        answer = w.ctl("cache " + words)
        assert answer.severity == 3 and "usage" in answer.text, words


def test_help(w):
    body = w.ctl("help").body
    for _, word, _ in commands():
        assert re.search(rf"^{word}\b", body, re.M), word
        assert word in w.ctl("help", word).body
    assert w.ctl("help", "nonsense").severity == 3
    listed = w.ctl("help", json=True).json["commands"]
    assert {c["word"] for c in listed} == {word for _, word, _ in commands()}


def test_version(w):
    assert re.fullmatch(r"weird \d+\.\d+\.\d+", w.ctl("version").text)


def test_info(w):
    info = w.ctl("info", json=True).json
    assert info["pid"] == w.pid
    assert info["workers_ready"] >= 1
    assert info["endpoints"] == 1
    assert str(w.pid) in w.ctl("info").body


def test_workers(w):
    # a reload of an earlier test is answered before the new monitor runs
    wait_for(w.monitor_pid, 5, "the monitor")
    rows = w.workers("ready")
    assert sorted(r["pid"] for r in rows) == w.worker_pids()
    text = w.ctl("workers").body
    for r in rows:
        assert str(r["pid"]) in text
    assert str(w.monitor_pid()) in text


def test_memory_and_cpu_of_each_process(w):
    pids = {"weird": w.pid, **{r["name"]: r["pid"] for r in w.ctl("workers", json=True).json["workers"] if r["pid"]}}
    assert len(pids) == 3, pids

    def seen():
        found = w.metrics()
        rows = {k.split('"')[1]: v for k, v in found.items() if k.startswith("process_resident_memory_bytes{")}
        return set(pids) == set(rows) and all(rows.values()) and (found, rows)

    found, rows = wait_for(seen, 10, "each process to have said its memory")
    for name, pid in pids.items():
        assert abs(rows[name] - rss_bytes(pid)) < 16 << 20, name
        own = found[f'process_private_memory_bytes{{process="{name}"}}']
        assert 0 < own < rows[name]
        assert sum(found[f'process_cpu_seconds_total{{mode="{m}",process="{name}"}}'] for m in ("user", "system")) < 60
    # weird has touched the shared memory, its own part is small
    info = w.ctl("info", json=True).json
    assert info["shared_memory_bytes"] > info["rss_bytes"] > info["own_bytes"] > 0 and info["cpu_ms"] > 0
    assert all(r["rss_bytes"] > r["own_bytes"] > 0 for r in w.ctl("workers", json=True).json["workers"])


def test_endpoints(w):
    assert w.get("/one").status == 200
    # a request is counted when its last byte has left, which the client may see first
    rows = wait_for(lambda: [r for r in w.ctl("endpoints", json=True).json["endpoints"] if r["requests"]], 5,
                    "the request to be counted")
    assert [r["id"] for r in rows] == ["one"]
    assert rows[0]["p50_ms"] > 0
    assert "/one" in w.ctl("endpoints").body


def test_database(w):
    row = wait_for(lambda: [d for d in w.ctl("database", json=True).json["databases"] if d["state"] == "up"],
                   10, "the database to be known")[0]
    assert row["name"] == "main"
    assert row["pool_max"] == 8
    assert "main" in w.ctl("database").body


def test_tables_fit_the_terminal(w):
    """Columns that do not fit are put below, each line with its first column; a pipe gets the whole width."""
    whole = w.ctl("workers").body.splitlines()
    folded = w.ctl("workers width=80").body.splitlines()
    assert max(map(len, whole)) > 80 >= max(map(len, folded))
    assert len([line for line in folded if line.startswith("process ")]) > 1
    assert set(whole[0].split()) == {word for line in folded if line.startswith("process ") for word in line.split()}
    main, term = os.openpty()
    fcntl.ioctl(term, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
    done = subprocess.run([built("supervisor/weirctl"), "-s", w.control, "database"], stdin=subprocess.DEVNULL,
                          stdout=term, timeout=20)
    os.close(term)
    shown = os.read(main, 65536).decode().splitlines()
    os.close(main)
    assert done.returncode == 0
    heads = [line for line in shown if line.startswith("database ")]
    assert len(heads) > 1 and max(map(len, heads)) <= 70, shown


def test_config(w):
    shown = w.ctl("config", json=True).json
    assert shown["workers"]["max"] == 2
    assert "workers" in w.ctl("config").body


def test_metrics(w):
    body = w.ctl("metrics").body
    assert 'weir_http_requests_total' in body and "# EOF" not in body
    promtool = shutil.which("promtool")
    if promtool:
        done = subprocess.run([promtool, "check", "metrics"], input=body + "\n", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    for socket in (w.listen, w.status):
        assert f'weir_fcgi_listen_queue_limit{{socket="{socket}"}}' in body
    assert 'weir_endpoint_info{endpoint="one",method="GET",path="/one",database="main"} 1' in body
    assert w.ctl("metrics openmetrics").body.endswith("# EOF")
    assert w.ctl("metrics nonsense").severity == 3
    assert w.ctl("metrics", json=True).json["schema"] == 1


def test_log(w):
    try:
        assert w.ctl("log", "level", "debug").ok
        assert w.ctl("log", "level", "loud").severity == 3
        assert w.ctl("log", "size", "debug").severity == 3
        assert w.ctl("log").severity == 3
    finally:
        assert w.ctl("log", "level", "info").ok


def test_check(w):
    assert w.ctl("check").severity != 3
    assert w.ctl("check", "offline").severity != 3
    w.site.write_endpoint("bad", "-- @route GET\nSELECT 1\n")
    try:
        r = w.ctl("check")
        assert r.severity == 3
        assert "bad.sql:1" in r.body
    finally:
        w.site.remove_endpoint("bad")
    assert w.ctl("check").severity != 3


def test_check_asks_the_database(w):
    w.site.write_endpoint("bad", "-- @route GET /bad\nSELECT no_such_column FROM pg_class\n")
    try:
        r = w.ctl("check")
        assert r.severity == 3
        assert "bad.sql:2" in r.body and "no_such_column" in r.body
        assert w.ctl("check", "offline").severity != 3
    finally:
        w.site.remove_endpoint("bad")


def test_reload(w):
    before = w.ctl("info", json=True).json["generation"]
    w.site.write_endpoint("two", "-- @route GET /two\n-- @returns value\nSELECT 2 AS n\n")
    try:
        assert w.get("/two").status == 404
        assert w.reload().severity != 3
        assert w.get("/two").status == 200
        assert w.ctl("info", json=True).json["generation"] == before + 1
    finally:
        w.site.remove_endpoint("two")
        assert w.reload().severity != 3
    assert w.get("/two").status == 404


def test_stop(weir):
    w = weir(endpoints=ENDPOINTS)
    children = [*w.worker_pids(), w.monitor_pid()]
    assert w.ctl("stop", "sideways").severity == 3
    assert w.ctl("stop").severity == 6
    w.proc.popen.wait(20 * PATIENCE)
    assert w.proc.popen.returncode == 0
    assert not [p for p in children if os.path.exists(f"/proc/{p}")]
    assert not w.control.exists()


# ---- roles ----

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_stranger_may_look_and_not_touch(weir):
    w = weir(endpoints=ENDPOINTS, options={"control_mode": "0666"})

    def as_nobody(line):
        code = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                "s.sendall(sys.argv[2].encode()+b'\\n')\nd=b''\n"
                "while not d.endswith(b'\\n\\n'): d+=s.recv(65536)\nprint(d.decode())")
        return subprocess.run(["/usr/bin/python3", "-c", code, w.control, line], user="nobody", group="nogroup",
                              extra_groups=[], capture_output=True, text=True, timeout=20, cwd="/").stdout

    assert as_nobody("ping").startswith("6 pong")
    assert as_nobody("info").startswith("6 ")
    for line in ("reload", "stop", "stop fast", "check", "log level debug"):
        assert as_nobody(line).startswith("3 not allowed"), line
    assert w.proc.alive()


# ---- weirctl ----

def test_weirctl_prints_the_body_and_exits_0(w):
    done = w.weirctl("workers")
    assert done.returncode == 0 and str(w.worker_pids()[0]) in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("args", [["--json", "workers"], ["-j", "workers"], ["workers", "--json"]])
def test_weirctl_json(w, args):
    assert json.loads(w.weirctl(*args).stdout)["workers"]


def test_weirctl_multi_word(w):
    assert w.weirctl("log", "level", "info").returncode == 0


def test_weirctl_usage_is_64(w):
    assert w.weirctl("nonsense").returncode == 64
    assert w.weirctl("--no-such-option").returncode == 64
    assert w.weirctl("log", "level").returncode == 64
    assert w.weirctl("log", "level", "loud").returncode == 64


def test_weirctl_without_a_weird_is_69():
    path = temp_dir("ctl") / "none.sock"
    done = subprocess.run([built("supervisor/weirctl"), "-s", path, "ping"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 69
    assert str(path) in done.stderr
    done = subprocess.run([built("supervisor/weirctl"), "ping"], capture_output=True, text=True, timeout=20,
                          env={**os.environ, "WEIR_CONTROL": str(path)})
    assert done.returncode == 69
    assert str(path) in done.stderr


def test_weirctl_refused_configuration_is_78(w):
    w.site.write_endpoint("bad", "-- @route GET\nSELECT 1\n")
    try:
        for verb in ("check", "reload"):
            done = w.weirctl(verb)
            assert done.returncode == 78, done
            assert "bad.sql:1" in done.stdout + done.stderr
    finally:
        w.site.remove_endpoint("bad")


def test_weirctl_wait_runs_out_with_75():
    d = temp_dir("ctl")
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(d / "mute.sock"))
    s.listen(5)
    done = subprocess.run([built("supervisor/weirctl"), "-s", d / "mute.sock", "--wait", "1", "ping"],
                          capture_output=True, text=True, timeout=20)
    s.close()
    assert done.returncode == 75


def test_weirctl_reads_commands_from_a_pipe(w):
    done = w.weirctl(input="ping\nversion\n\nping; ping\n")
    assert done.returncode == 0
    assert done.stdout.count("pong") == 3
    assert w.weirctl(input="ping\nnonsense\nping\n").returncode == 64
