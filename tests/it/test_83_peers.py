"""7.27: who is believed: a user that the web server names counts only where weir.conf says so, and only peers out of
listen_allow reach a listener that other hosts can reach."""

import base64
import re
import socket

import pytest

from weirtest.base import Proc, built, free_port, wait_for
from weirtest.fcgi import Closed, request
from weirtest.servers import Nginx
from weirtest.weir import SAN_ENV

OPEN = {"open": "-- @route GET /api/open\n-- @param u from user optional\n-- @returns value\nSELECT coalesce(:u::text, 'nobody')\n"}
ME = {"me": "-- @route GET /api/me\n-- @auth user\n-- @param u from user\n-- @returns value\nSELECT :u::text\n"}
ROOT = {"Authorization": "Basic " + base64.b64encode(b"root:x").decode()}


class StockParams(Nginx):
    """nginx with the distribution's own fastcgi_params in place of ours."""

    def snippet(self, path, *changes):
        return "include /etc/nginx/fastcgi_params;\n" if path == "nginx/weir_params" else super().snippet(path, *changes)


def test_unchecked_basic_user_is_nobody(weir, front):
    """Debian's fastcgi_params hand on the name of any Basic credentials; the default of user_param believed it."""
    assert "REMOTE_USER" in open("/etc/nginx/fastcgi_params").read()
    w = weir({**OPEN, **ME}, {"auth": None, "workers": {"min": 2, "max": 2}})
    server = front(StockParams, w)
    for _ in range(10):
        assert server.get("/api/open", headers=ROOT).json == "nobody"
        assert server.get("/api/me", headers=ROOT).status == 401
        assert w.get("/api/open", REMOTE_USER="root").json == "nobody"
    told = re.findall(r"warning: the web server sends REMOTE_USER, and auth .*", w.log_text())
    assert len(told) == 1 and "doc/identity.md" in told[0], w.log_text()
    # at load, too: an endpoint wants to know, and nobody can be known
    assert len(re.findall("nobody can be known", w.log_text())) == 1


def test_a_checked_user_is_known_where_it_is_wanted(weir, front):
    w = weir({**OPEN, **ME}, {"auth": {"user_param": "REMOTE_USER"}})
    server = front(Nginx, w, users={"ann": "secret"})
    ann = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}
    assert server.get("/api/me", headers=ann).json == "ann"
    assert server.get("/api/me", headers=ROOT).status == 401
    assert "REMOTE_USER" not in w.log_text() and "nobody can be known" not in w.log_text()


def test_an_empty_remote_user_is_no_news(weir):
    w = weir(OPEN, {"auth": None})
    assert w.get("/api/open", REMOTE_USER="").json == "nobody"
    assert "REMOTE_USER" not in w.log_text()


@pytest.mark.parametrize("key", ["listen", "status"])
@pytest.mark.parametrize("address", ["0.0.0.0", "[::]", "192.0.2.1", "[fd00::1]", "*", "127.1"])
def test_a_listener_for_other_hosts_needs_a_list(site, key, address):
    s = site(None, {}, {key: f"tcp:{address}:9000"})
    done = s.weird("-t")
    said = done.stdout + done.stderr
    assert done.returncode == 78 and f"of {key} can be reached from other hosts" in said and "listen_allow" in said, said


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "[::ffff:127.0.0.1]"])
def test_loopback_needs_none(site, address):
    s = site(None, {}, {"listen": f"tcp:{address}:9000"})
    done = s.weird("-t")
    assert "listen_allow" not in done.stdout + done.stderr


@pytest.mark.parametrize("bad", ["10.0.0.0/33", "10.1.2.3/8", "localhost", "10.0.0.0/8,11.0.0.0/8"])
def test_a_bad_network_is_refused(site, bad):
    s = site(None, {}, {"listen_allow": ["10.0.0.0/8", bad]})
    done = s.weird("-t")
    assert done.returncode == 78 and "of listen_allow" in done.stdout + done.stderr, done


def ask(address):
    try:
        return request(address, "/api/open").status
    except (Closed, ConnectionError):
        return None


def refused(w):
    return w.metrics()["weir_fcgi_peers_refused_total"]


def test_peers_of_no_listed_network_are_closed(pg, weir, site):
    """Both sockets; unix sockets and loopback listeners are not concerned; a reload changes the list."""
    port, status, local = free_port(), free_port(), free_port()
    s = site(pg.conninfo, OPEN)
    s.write_conf({"listen": [s.listen, f"tcp:0.0.0.0:{port}", f"tcp:127.0.0.1:{local}"], "status": f"tcp:0.0.0.0:{status}",
                  "listen_allow": ["10.0.0.0/8", "192.0.2.0/24"]})
    s.status = None
    w = weir(site=s)
    here = f"tcp:127.0.0.1:{port}"
    for _ in range(20):
        assert ask(here) is None
        assert ask(f"tcp:127.0.0.1:{local}") == 200 and ask(w.listen) == 200
    assert refused(w) == 20
    with pytest.raises((Closed, ConnectionError)):
        request(f"tcp:127.0.0.1:{status}", "/health")
    wait_for(lambda: refused(w) == 21, 5, "the status socket's to be counted")
    said = re.findall(r"(weir-\w+)\[.*warning: .*refused, from no network of listen_allow; the last from 127.0.0.1", w.log_text())
    assert sorted(said) == ["weir-monitor", "weir-worker"], w.log_text()      # the first of ten seconds each
    s.write_conf({"listen_allow": ["10.0.0.0/8", "127.0.0.0/8"]})
    assert w.reload().ok
    assert ask(here) == 200
    wait_for(lambda: request(f"tcp:127.0.0.1:{status}", "/health").status == 200, 10, "the new weir-monitor")
    s.write_conf({"listen_allow": None})
    assert "can be reached from other hosts" in w.reload().body
    assert ask(here) == 200


def test_ipv6_peers(pg, weir, site):
    port = free_port()
    s = site(pg.conninfo, OPEN)
    s.write_conf({"listen": [s.listen, f"tcp:[::]:{port}"], "listen_allow": ["::1"]})
    w = weir(site=s)
    assert ask(f"tcp:::1:{port}") == 200
    s.write_conf({"listen_allow": ["fd00::/8", "127.0.0.1"]})
    assert w.reload().ok
    assert ask(f"tcp:::1:{port}") is None


@pytest.mark.parametrize("host,allow,status", [("0.0.0.0", None, "refused"), ("0.0.0.0", ["10.0.0.0/8"], None),
                                               ("0.0.0.0", ["127.0.0.1"], 200), ("127.0.0.1", None, 200)])
def test_a_lone_worker_asks_the_same(pg, site, host, allow, status):
    """spawn-fcgi -a: the listener is not weir.conf's."""
    s = site(pg.conninfo, OPEN, {"status": None, "listen_allow": allow})
    with socket.create_server((host, 0)) as listener:
        proc = Proc([built("workers/weir-worker"), "-c", s.conf], s.dir / "worker.log", stdin=listener, env=SAN_ENV)
        try:
            if status == "refused":
                assert proc.wait() == 78 and "listen_allow" in proc.log_text()
                return
            address = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
            if status:
                wait_for(lambda: ask(address) == 200, 10, "an answer")
            else:
                wait_for(lambda: ask(address) is None and "refused, from no network" in proc.log_text(), 10, "a warning")
        finally:
            proc.stop()


def test_a_dual_stack_listener_sees_mapped_addresses(pg, site):
    """An IPv4 peer of an inherited [::] listener comes as ::ffff:127.0.0.1."""
    for allow, status in ((["127.0.0.0/8"], 200), (["::1"], None)):
        s = site(pg.conninfo, OPEN, {"status": None, "listen_allow": allow})
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
            proc = Proc([built("workers/weir-worker"), "-c", s.conf], s.dir / "worker.log", stdin=listener, env=SAN_ENV)
            try:
                address = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
                wait_for(lambda: ask(address) == status and (status or "refused" in proc.log_text()), 10, f"{status}")
            finally:
                proc.stop()
