"""A database server that stops talking while a session is made: its deadline covers all of it, and nobody else waits."""

import os
import subprocess
import time

import pytest

from weirtest.base import PATIENCE, program, temp_dir, wait_for
from weirtest.silent import STAGES, SilentServer

TIMEOUT = 0.4 * PATIENCE
GOOD = "-- @route GET /good\n-- @returns value\nSELECT 1 AS n"


def bad(stage):
    return f"-- @route GET /{stage}\n-- @database {stage}\n-- @returns value\nSELECT 1 AS n"


def options(servers, **more):
    block = {"pool_min": 1, "pool_max": 8, "connect_timeout": f"{TIMEOUT * 1000:.0f}ms", **more}
    return {"workers": {"min": 1, "max": 1},
            "database": {"main": {"pool_min": 1, "pool_max": 8},
                         **{s.stage: {"conninfo": s.conninfo("postgres"), **block} for s in servers}}}


@pytest.fixture
def silent(pg):
    made = []

    def make(*stages):
        for stage in stages:
            made.append(SilentServer(stage, pg.port))
        return made
    yield make
    for s in made:
        s.close()


def timed(call):
    start = time.monotonic()
    got = call()
    return got, time.monotonic() - start


@pytest.mark.parametrize("stages", [STAGES[:6], STAGES[6:]], ids=["early", "late"])
def test_silence_at_each_stage_of_connecting(weir, pg, silent, stages):
    """7.17: name look-up, TLS, authentication, settings, preparing and describing have one deadline; other databases go on
    meanwhile, and the silent one is used as soon as it speaks."""
    servers = silent(*stages)
    w = weir(endpoints={"good": GOOD, **{s: bad(s) for s in stages}}, conninfo=pg.conninfo_for("postgres"),
             options=options(servers))
    # several rounds of attempts, by worker and monitor
    end = time.monotonic() + 3 * TIMEOUT
    slowest = 0.0
    while time.monotonic() < end:
        reply, took = timed(lambda: w.get("/good"))
        assert reply.status == 200
        slowest = max(slowest, took)
    assert slowest < 0.25 * PATIENCE
    for stage in stages:
        reply, took = timed(lambda: w.get(f"/{stage}"))
        assert (reply.status, reply.code) == (503, "db_down"), stage
        assert took < 0.25 * PATIENCE, stage
    down = {d["name"]: d["state"] for d in w.ctl("database", json=True).json["databases"]}
    assert down == {"main": "up", **{s: "down" for s in stages}}
    for s in servers:
        name, s.stage = s.stage, "pass"
        wait_for(lambda: w.get(f"/{name}").status == 200, 3 * TIMEOUT + 1.5, f"service of {name}")
    said = [line for line in w.log_text().splitlines() if " 503 db_down " not in line]
    assert len(said) < 60, "a line for each notice"


@pytest.mark.parametrize("stage", ["ready", "describe", "trickle", "notices"])
def test_the_check_ends(site, silent, stage):
    """7.17: weird -t ends, and says that a database that is there has not answered all: what was not checked is not valid."""
    servers = silent(stage)
    s = site(endpoints={"one": bad(stage)}, options={"database": {"main": None, **options(servers)["database"]}})
    s.settings["database"].pop("main", None)
    s.write_conf()
    done, took = timed(lambda: s.weird("-t"))
    assert "no answer within connect_timeout" in done.stdout, done.stdout + done.stderr
    assert "not all could be checked" in done.stdout, done.stdout
    assert done.returncode == 78 and took < (3 * TIMEOUT + 2) * PATIENCE


def test_a_server_that_is_stopped(weir, own_pg):
    """7.17: SIGSTOP of a whole server under load: requests have their deadlines, nothing waits for ever, and all is back with it."""
    w = weir(endpoints={"good": GOOD}, conninfo=own_pg.conninfo_for("test", user="postgres"),
             options={"workers": {"min": 1, "max": 1},
                      "database": {"main": {"query_timeout": "300ms", "connect_timeout": "300ms"}}})
    assert w.get("/good").status == 200
    try:
        own_pg.pause()
        wait_for(lambda: timed(lambda: w.get("/good"))[0].status == 503, 8, "503 at once")
        # new sessions meet the backlog of the postmaster, and end by the deadline
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            reply, took = timed(lambda: w.get("/good"))
            assert reply.status in (503, 504) and took < 0.8 * PATIENCE
    finally:
        own_pg.resume()
    wait_for(lambda: w.get("/good").status == 200, 5, "service after SIGCONT")


LOOKUP = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **all)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	int numeric = hints && hints->ai_flags & AI_NUMERICHOST;
	if (host && !numeric && strcmp(host, "silent.example") == 0)
		for (;;)
			pause();
	if (host && !numeric && strcmp(host, "two.example") == 0)
		host = "localhost";
	return real(host, port, hints, all);
}
"""


@pytest.fixture(scope="module")
def resolver():
    """Environment of a resolver whose name server is silent."""
    folder = temp_dir("lookup")
    (folder / "lookup.c").write_text(LOOKUP)
    subprocess.run([program("cc"), "-shared", "-fPIC", "-O", "-o", folder / "lookup.so", folder / "lookup.c"], check=True)
    return {"LD_PRELOAD": str(folder / "lookup.so")}


@pytest.mark.skipif(PATIENCE > 1, reason="sanitizers come first")
def test_a_name_server_that_is_silent(weir, pg, resolver):
    """7.17: a look-up is waited for until the deadline, by one thread for a name; another host of the list is tried."""
    block = {"pool_min": 1, "pool_max": 8, "connect_timeout": "400ms", "insecure_tls": True}
    w = weir(endpoints={"good": GOOD, "a": bad("a"), "b": bad("b")}, conninfo=pg.conninfo_for("postgres"), env=resolver,
             options={"workers": {"min": 1, "max": 1}, "database": {
                 "main": {"pool_min": 1, "pool_max": 8},
                 "a": {"conninfo": "host=silent.example dbname=postgres user=postgres", **block},
                 "b": {"conninfo": f"host=silent.example,two.example port={pg.port} dbname=postgres user=postgres", **block}}})
    wait_for(lambda: w.get("/b").status == 200, 3, "the second host")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert w.get("/good").status == 200
        assert w.get("/a").code == "db_down"
    assert 'no answer for host name "silent.example"' in w.log_text()
    threads = len(os.listdir(f"/proc/{w.worker_pids()[0]}/task"))
    assert threads < 24, "a look-up for each attempt"


def test_a_silent_first_host_does_not_take_all_the_time(weir, pg, silent):
    """7.17: of several hosts each gets its share of the deadline."""
    first, = silent("accept")
    w = weir(endpoints={"good": GOOD}, conninfo=f"host=127.0.0.1,127.0.0.1 port={first.port},{pg.port} dbname=postgres user=postgres",
             options={"database": {"main": {"connect_timeout": "600ms"}}})
    wait_for(lambda: w.get("/good").status == 200, 4, "the second host")
