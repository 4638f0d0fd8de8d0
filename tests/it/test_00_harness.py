"""The harness itself: what every other test stands on."""

import psycopg2
import pytest

from weirtest.base import Failure, free_port, wait_for


def test_cluster_holds_the_sample(pg):
    assert pg.value("SELECT count(*) FROM users") > 0
    assert pg.psql("SELECT 1 + 1") == "2\n"


def test_application_role_connects_by_socket_and_tcp(pg):
    for conninfo in (pg.conninfo, pg.conninfo_for(tcp=True)):
        conn = psycopg2.connect(conninfo)
        conn.close()


@pytest.mark.parametrize("way", ["fast", "immediate", "kill9"])
def test_cluster_comes_back(own_pg, way):
    own_pg.sql("CREATE TABLE t (a int)")
    if way == "kill9":
        own_pg.kill9()
    else:
        own_pg.stop(way)
    with pytest.raises(psycopg2.OperationalError):
        own_pg.connect()
    own_pg.start()
    assert own_pg.value("SELECT count(*) FROM t") == 0


def test_scratch_database_is_empty(db):
    db.sql("CREATE TABLE t (a int)")
    assert db.value("SELECT count(*) FROM t") == 0


def test_wait_for_says_what_it_waited_for():
    with pytest.raises(Failure, match="the moon"):
        wait_for(lambda: False, 0.05, "the moon")


def test_ports_are_handed_out_once():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
