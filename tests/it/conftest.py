"""Fixtures of the integration tests. `pg` is one cluster for the whole run and holds the sample; a test that stops
it starts it again. `own_pg` is a cluster of the test's own."""

import os
import resource
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from weirtest.pg import Postgres  # noqa: E402
from weirtest.servers import FRONTS  # noqa: E402
from weirtest.weir import LoneWorker, Site, Weird  # noqa: E402

# A login shell's 1024 descriptors are fewer than the clients of some tests (7.36).
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if _soft < 65536:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard if 0 <= _hard < 65536 else 65536, _hard))


@pytest.fixture(scope="session")
def _pg_session():
    server = Postgres()
    try:
        server.start()
        server.load_sample(os.environ.get("WEIR_TEST_SCALE", "0.02"))
        yield server
    finally:
        server.close()


@pytest.fixture
def pg(_pg_session):
    """The shared cluster, running."""
    _pg_session.start()
    yield _pg_session
    _pg_session.start()


@pytest.fixture
def own_pg():
    """A fresh cluster with an empty database "test", for tests that break it."""
    server = Postgres()
    try:
        server.start()
        server.create_database("test")
        server.dbname = "test"
        yield server
    finally:
        server.close()


@pytest.fixture
def db(pg):
    """A fresh, empty database in the shared cluster: .name, .conninfo, .sql(text), .connect()."""
    database = Database(pg)
    yield database
    database.drop()


class Database:
    count = 0

    def __init__(self, pg):
        Database.count += 1
        self.pg = pg
        self.name = f"t{os.getpid()}_{Database.count}"
        pg.create_database(self.name)
        self.conninfo = pg.conninfo_for(self.name)

    def sql(self, text, args=None):
        return self.pg.sql(text, args, self.name)

    def value(self, text, args=None):
        return self.pg.value(text, args, self.name)

    def connect(self, user="postgres"):
        return self.pg.connect(self.name, user)

    def drop(self):
        self.pg.start()
        self.pg.sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)', dbname="postgres")


@pytest.fixture
def site():
    """Factory of sites (a directory with weir.conf and endpoints): site(conninfo, endpoints, options). Removed at
    the end."""
    made = []

    def make(conninfo=None, endpoints=None, options=None):
        made.append(Site(conninfo, endpoints, options))
        return made[-1]
    yield make
    for s in made:
        s.remove()


@pytest.fixture
def weir(pg):
    """Factory of running weirds: weir(endpoints="studio", options=None, conninfo=None, site=None). The database is
    the sample unless conninfo says otherwise. A sanitizer's report in a log fails the test."""
    yield from _weirs(pg)


@pytest.fixture(scope="module")
def module_weir(_pg_session):
    """The same, living as long as the test module."""
    yield from _weirs(_pg_session)


def _weirs(pg):
    running, sites = [], []

    def make(endpoints="studio", options=None, conninfo=None, site=None, **start):
        if site is None:
            site = Site(conninfo or pg.conninfo, endpoints, options)
            sites.append(site)
        running.append(Weird.__new__(Weird))
        running[-1].proc = None
        running[-1].__init__(site, **start)
        return running[-1]
    yield make
    reports = []
    for w in running:
        if w.proc:
            w.stop()
            reports += sanitizer_reports(w.log_text())
    for s in sites:
        s.remove()
    assert not reports, "\n".join(reports)


def sanitizer_reports(text):
    lines = text.splitlines()
    return ["\n".join(lines[i:i + 25]) for i, line in enumerate(lines)
            if "ERROR: AddressSanitizer" in line or "runtime error:" in line or "LeakSanitizer:" in line]


@pytest.fixture
def lone_worker(pg):
    """Factory of weir-workers without weird: lone_worker(endpoints, options, conninfo)."""
    running = []

    def make(endpoints="studio", options=None, conninfo=None, **start):
        site = Site(conninfo or pg.conninfo, endpoints, {"status": None, **(options or {})})
        running.append(LoneWorker(site, **start))
        return running[-1]
    yield make
    reports = []
    for w in running:
        w.stop()
        reports += sanitizer_reports(w.log_text())
        w.site.remove()
    assert not reports, "\n".join(reports)


@pytest.fixture
def front():
    """Factory of web servers before a site: front("nginx", site) by a name of FRONTS, or front(Nginx, site, ...)."""
    running = []

    def make(kind, site, **variant):
        site = getattr(site, "site", site)
        running.append(FRONTS[kind](site) if isinstance(kind, str) else kind(site, **variant))
        return running[-1]
    yield make
    for server in reversed(running):
        server.close()
