"""Fixtures of the integration tests. `pg` is one cluster for the whole run and holds the sample; a test that stops
it starts it again. `own_pg` is a cluster of the test's own."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from weirtest.pg import Postgres  # noqa: E402


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
