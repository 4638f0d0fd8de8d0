"""The sample database and the endpoint files over it: what sql/ promises, held against a real server."""

import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg2
import pytest
from psycopg2 import errorcodes

from weirtest.base import TOP
from weirtest.pg import bin_dir

SQL = TOP / "sql"
TABLES = ["users", "ai_models", "images", "image_likes", "chat_sessions", "chat_messages", "credit_transactions"]
NO_DATABASE = {"ping.sql"}


def _load_explain():
    loader = importlib.machinery.SourceFileLoader("explain_endpoints", str(SQL / "explain-endpoints"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


ex = _load_explain()
ENDPOINTS = ex.endpoints()
# Every choice once; one file without choices is one variant.
VARIANTS = [ex.Endpoint(ex.ENDPOINTS / e.file, {name: word}) for e in ENDPOINTS if e.has_sql
            for name, words in (e.choices or {None: [None]}).items() for word in words]
INDEXES = re.findall(r"^COMMENT ON INDEX (\w+) IS '([^']+)';", (SQL / "indexes.sql").read_text(), re.M)


def variant_id(e):
    return " ".join([e.file, *e.chosen.values()])


def load(pg, name, scale, indexes=True):
    pg.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', dbname="postgres")
    pg.sql(f'CREATE DATABASE "{name}" TEMPLATE template0', dbname="postgres")
    pg.psql(file=SQL / "schema.sql", dbname=name)
    pg.psql(file=SQL / "generate.sql", dbname=name, scale=scale)
    if indexes:
        pg.psql(file=SQL / "indexes.sql", dbname=name)
    pg.psql(file=SQL / "weir" / "roles.sql", dbname=name)
    return name


@pytest.fixture(scope="module")
def small(_pg_session):
    """Scale 0.01, for tests that may change it."""
    _pg_session.start()
    yield load(_pg_session, "sample_small", "0.01")
    _pg_session.sql("DROP DATABASE sample_small WITH (FORCE)", dbname="postgres")


@pytest.fixture(scope="module")
def medium(_pg_session):
    """Scale 0.1, read only: (psql of explain-endpoints, sample values)."""
    _pg_session.start()
    load(_pg_session, "sample_medium", "0.1")
    psql = ex.Psql(_pg_session.conninfo_for("sample_medium", "postgres"))
    yield psql, ex.samples(psql)
    _pg_session.sql("DROP DATABASE sample_medium WITH (FORCE)", dbname="postgres")


def counts(pg, name):
    return {t: pg.value(f"SELECT count(*) FROM {t}", dbname=name) for t in TABLES}


def checksum(pg, name):
    return {t: pg.value(f"SELECT md5(string_agg(md5(t::text), '' ORDER BY t::text COLLATE \"C\")) FROM {t} t", dbname=name)
            for t in TABLES}


def raises(pg, name, sqlstate, statement, args=None):
    with pytest.raises(psycopg2.Error) as e:
        pg.sql(statement, args, name)
    assert e.value.pgcode == sqlstate, e.value


# the generator ------------------------------------------------------------------------------------------------------

def test_generator_makes_the_numbers_it_promises(pg, small):
    n = counts(pg, small)
    likes = n.pop("image_likes")
    assert n == {"users": 100, "ai_models": 300, "images": 5000, "chat_sessions": 100, "chat_messages": 1000,
                 "credit_transactions": 2000}
    assert 1500 < likes <= 2000


def test_generator_is_deterministic(pg):
    sums = [checksum(pg, load(pg, f"sample_twice_{i}", "0.01", indexes=False)) for i in (1, 2)]
    # And again over what is there already.
    pg.psql(file=SQL / "generate.sql", dbname="sample_twice_2", scale="0.01")
    sums.append(checksum(pg, "sample_twice_2"))
    for i in (1, 2):
        pg.sql(f"DROP DATABASE sample_twice_{i} WITH (FORCE)", dbname="postgres")
    assert sums[0] == sums[1] == sums[2]


BOOKS = """SELECT count(*) FROM users u
    LEFT JOIN (SELECT user_id, sum(amount) AS total, min(balance_after) AS least FROM credit_transactions GROUP BY user_id) t
           ON t.user_id = u.id
    WHERE u.credits <> coalesce(t.total, 0) OR u.credits < 0 OR t.least < 0"""
# Each balance is the one before plus the amount, in the order of ids.
CHAIN = """SELECT count(*) FROM (SELECT balance_after, amount,
    lag(balance_after, 1, 0::numeric) OVER (PARTITION BY user_id ORDER BY id) AS before FROM credit_transactions) t
    WHERE balance_after <> before + amount"""


def test_generated_books_balance(pg, small):
    assert pg.value(BOOKS, dbname=small) == 0
    assert pg.value(CHAIN, dbname=small) == 0


def test_generated_counters_and_times_agree(pg, small):
    for wrong in ("images i WHERE likes <> (SELECT count(*) FROM image_likes WHERE image_id = i.id)",
                  "chat_sessions s WHERE messages <> (SELECT count(*) FROM chat_messages WHERE session_id = s.id)",
                  "images i JOIN users u ON u.id = i.user_id WHERE i.created_at < u.created_at",
                  "images i JOIN ai_models m ON m.id = i.model_id WHERE i.created_at < m.created_at",
                  "credit_transactions t JOIN users u ON u.id = t.user_id WHERE t.created_at < u.created_at"):
        assert pg.value(f"SELECT count(*) FROM {wrong}", dbname=small) == 0, wrong


def test_generated_activity_is_skewed(pg, small):
    """The most active tenth of users made more than a third of the images; the last quarter of time saw more than its share."""
    assert pg.value("SELECT sum(n) FILTER (WHERE place <= 10) / sum(n) FROM (SELECT count(*) AS n, "
                    "rank() OVER (ORDER BY count(*) DESC) AS place FROM images GROUP BY user_id) x", dbname=small) > Decimal("0.33")
    assert pg.value("SELECT count(*) FROM images WHERE created_at > '2025-07-02'", dbname=small) > 5000 * 0.4


def test_everything_has_a_comment(pg, small):
    assert pg.sql("""SELECT c.relname, a.attname FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
          AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)""", dbname=small) == []


# the rules ------------------------------------------------------------------------------------------------------------

def test_balance_never_negative_under_20_spenders(pg, small):
    """Two accounts, twenty sessions, more spending than there are credits: what is spent is exactly what was there."""
    model, price = pg.sql("SELECT id, credits_per_image FROM ai_models WHERE retired_at IS NULL AND 1024 <@ resolution "
                          "ORDER BY id LIMIT 1", dbname=small)[0]
    users = [row[0] for row in pg.sql("SELECT auth0_id FROM users ORDER BY id DESC LIMIT 2", dbname=small)]
    for user in users:
        pg.sql("SELECT * FROM buy_credits(%s, %s)", (user, price * 30), small)
    afford = sum(int(c // price) for (c,) in pg.sql("SELECT credits FROM users WHERE auth0_id = ANY (%s)", (users,), small))
    images = pg.value("SELECT count(*) FROM images", dbname=small)
    each = afford // 20 + 5
    gate = threading.Barrier(20)

    def spend(k):
        conn = pg.connect(small)
        made = refused = 0
        gate.wait(30)
        with conn.cursor() as cur:
            for i in range(each):
                try:
                    cur.execute("SELECT credits FROM create_image(%s, %s, %s, '1024x1024')",
                                (users[(k + i) % 2], model, f"spender {k} image {i}"))
                    assert cur.fetchone()[0] >= 0
                    made += 1
                except psycopg2.errors.CheckViolation:
                    refused += 1
        conn.close()
        return made, refused

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(spend, range(20)))
    assert sum(made for made, _ in done) == afford
    assert sum(refused for _, refused in done) == 20 * each - afford
    assert pg.value("SELECT count(*) FROM images", dbname=small) == images + afford
    assert pg.value("SELECT count(*) FROM users WHERE credits >= %s AND auth0_id = ANY (%s)", (price, users), small) == 0
    assert pg.value(BOOKS, dbname=small) == 0
    assert pg.value(CHAIN, dbname=small) == 0


def test_ledger_is_the_only_way_to_a_balance(pg, small):
    raises(pg, small, "P0001", "UPDATE users SET credits = credits + 1 WHERE id = 1")
    raises(pg, small, "P0001", "UPDATE credit_transactions SET amount = 1000 WHERE id = 1")
    raises(pg, small, "P0001", "DELETE FROM credit_transactions WHERE id = 1")
    raises(pg, small, "P0001", "INSERT INTO users (auth0_id, email, display_name, credits) VALUES ('x', 'x@y.zz', 'X', 5)")
    raises(pg, small, "23514", "INSERT INTO credit_transactions (user_id, type, amount) VALUES (1, 'spend', 5)")
    raises(pg, small, "23514", "INSERT INTO credit_transactions (user_id, type, amount) VALUES (1, 'spend', -1000000)")
    raises(pg, small, "23503", "INSERT INTO credit_transactions (user_id, type, amount) VALUES (-1, 'bonus', 5)")


def test_errors_of_create_image_map_to_4xx(pg, small):
    me = pg.value("SELECT auth0_id FROM users WHERE id = 3", dbname=small)
    make = "SELECT * FROM create_image(%s, %s, %s, %s)"
    raises(pg, small, "42501", make, ("nobody", 1, "a fox", "1024x1024"))
    raises(pg, small, "P0001", make, (me, 1000000, "a fox", "1024x1024"))
    raises(pg, small, "P0001", make, (me, 7, "a fox", "1024x1024"))     # retired
    raises(pg, small, "P0001", make, (me, 1, "a fox", "99999x99999"))
    raises(pg, small, "23514", make, (me, 1, "a fox", "large"))
    raises(pg, small, "23514", make, (me, 1, "", "1024x1024"))
    assert pg.value("SELECT count(*) FROM images WHERE prompt = 'a fox'", dbname=small) == 0
    assert errorcodes.CHECK_VIOLATION == "23514" and errorcodes.RAISE_EXCEPTION == "P0001"


def test_likes_are_counted_once_and_go_with_the_image(pg, small):
    image = pg.value("SELECT id FROM images WHERE user_id = 1 AND visibility = 'public' AND likes = 0 ORDER BY id DESC LIMIT 1", dbname=small)
    fans = [row[0] for row in pg.sql("SELECT auth0_id FROM users ORDER BY id LIMIT 20", dbname=small)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda fan: pg.sql("SELECT * FROM like_image(%s, %s)", (fan, image), small), fans * 2))
    assert pg.sql("SELECT * FROM like_image(%s, %s)", (fans[0], image), small) == [(image, 20)]
    pg.sql("DELETE FROM image_likes WHERE image_id = %s AND user_id = 1", (image,), small)
    assert pg.value("SELECT likes FROM images WHERE id = %s", (image,), small) == 19
    pg.sql("DELETE FROM images WHERE id = %s", (image,), small)
    assert pg.value("SELECT count(*) FROM image_likes WHERE image_id = %s", (image,), small) == 0
    private = pg.value("SELECT id FROM images WHERE user_id = 1 AND visibility = 'private' LIMIT 1", dbname=small)
    assert pg.sql("SELECT * FROM like_image(%s, %s)", (fans[1], private), small) == []


def test_messages_go_only_to_ones_own_session(pg, small):
    session, owner = pg.sql("SELECT s.id, auth0_id FROM chat_sessions s JOIN users u ON u.id = user_id LIMIT 1", dbname=small)[0]
    other = pg.value("SELECT auth0_id FROM users WHERE auth0_id <> %s LIMIT 1", (owner,), small)
    before = pg.value("SELECT messages FROM chat_sessions WHERE id = %s", (session,), small)
    assert pg.sql("SELECT content FROM post_message(%s, %s, 'hello')", (owner, session), small) == [("hello",)]
    assert pg.sql("SELECT content FROM post_message(%s, %s, 'hello')", (other, session), small) == []
    assert pg.value("SELECT messages FROM chat_sessions WHERE id = %s", (session,), small) == before + 1


# the endpoint files -----------------------------------------------------------------------------------------------------

def test_endpoint_files_are_complete():
    routes = [e.route for e in ENDPOINTS]
    assert len(ENDPOINTS) >= 24 and len(set(routes)) == len(routes)
    assert {e.returns for e in ENDPOINTS} == {"rows", "row", "value", "none", "json"}
    assert {e.file for e in ENDPOINTS if not e.has_sql} == NO_DATABASE
    for route in ("GET /api/models", "GET /api/models/{id}", "GET /api/models/featured", "GET /api/images/{id}",
                  "GET /api/users/{id}/images", "GET /api/ping"):
        assert route in routes


def test_readme_lists_every_endpoint():
    readme = (TOP / "examples" / "studio" / "README.md").read_text()
    assert [e.route for e in ENDPOINTS if f"`{e.route}`" not in readme] == []


@pytest.mark.parametrize("e", VARIANTS, ids=variant_id)
def test_endpoint_runs_as_the_api_role(pg, medium, e):
    """The SQL prepares with types inferred by the server, and role weir may run it."""
    _, sampled = medium
    conn = pg.connect("sample_medium", "weir")
    conn.autocommit = False
    try:
        with conn.cursor() as cur:
            cur.execute(f"PREPARE e AS {e.sql.replace('%', '%%')}", ())
            cur.execute("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'e'")
            types = cur.fetchone()[0]
            assert len(types) == len(e.params) and "unknown" not in types
            args = ", ".join(ex.literal(v) for v in ex.values(e, sampled))
            cur.execute("EXECUTE e" + (f"({args})" if args else ""))
            rows = cur.fetchall() if cur.description else []
        if e.returns in ("row", "value", "json"):
            assert len(rows) == 1
        if e.returns in ("value", "json"):
            assert len(rows[0]) == 1
        if e.returns == "rows":
            assert rows
    finally:
        conn.rollback()
        conn.close()


def test_benched_endpoints_have_their_sizes(pg, medium):
    psql, sampled = medium

    def rows(file, **given):
        e = next(e for e in ENDPOINTS if e.file == file)
        args = ", ".join(ex.literal(given.get(p, v)) for p, v in zip(e.params, ex.values(e, sampled)))
        return pg.psql(f"PREPARE e AS {e.sql}; EXECUTE e" + (f"({args})" if args else ""), dbname="sample_medium").splitlines()
    assert len(rows("models/featured.sql")) == 12
    assert len(rows("models/get.sql", id=1)) == 1
    assert len(rows("images/get.sql", id=1)) == 1
    for user in (1, 10, 100):
        found = rows("users/images.sql", id=user, limit=50)
        assert len(found) == 50 and all(row.count("|") == 5 for row in found)


def test_keyset_pages_give_every_row_once(pg, small):
    e = next(e for e in ENDPOINTS if e.file == "models/catalogue.sql")
    want = [row[0] for row in pg.sql("SELECT id FROM ai_models ORDER BY name, id", dbname=small)]
    got, after = [], {"after_name": None, "after_id": 0}
    conn = pg.connect(small)
    with conn.cursor() as cur:
        cur.execute(f"PREPARE e AS {e.sql}")
        while True:
            given = {"limit": 37, **after}
            cur.execute("EXECUTE e(" + ", ".join(ex.literal(given[p]) for p in e.params) + ")")
            page = cur.fetchall()
            if not page:
                break
            got += [row[0] for row in page]
            after = {"after_id": page[-1][0], "after_name": page[-1][1]}
    conn.close()
    assert got == want


def test_api_role_can_do_no_more(pg, small):
    conn = pg.connect(small, "weir")
    with conn.cursor() as cur:
        for statement in ("INSERT INTO credit_transactions (user_id, type, amount) VALUES (1, 'bonus', 5)",
                          "UPDATE users SET credits = 5", "UPDATE users SET email = 'a@b.cc'", "UPDATE images SET likes = 5",
                          "DELETE FROM users", "INSERT INTO image_likes VALUES (1, 1)", "TRUNCATE images",
                          "SELECT account_of('x')", "SELECT nextval('credit_transactions_id_seq')"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cur.execute(statement)
    conn.close()


# indexes ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("index,file", [(i, f) for i, files in INDEXES for f in files.split()])
def test_index_is_used_by_the_query_it_names(medium, index, file):
    psql, sampled = medium
    e = next(e for e in ENDPOINTS if e.file == file)
    plan = ex.explain(psql, e, sampled, runs=1, analyze=False)
    assert index in ex.indexes_of(plan), json.dumps(plan, indent=1)


def test_every_index_names_its_queries(pg, medium):
    made = pg.sql("SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
                  "WHERE c.relnamespace = 'public'::regnamespace AND NOT EXISTS "
                  "(SELECT FROM pg_constraint k WHERE k.conindid = c.oid)", dbname="sample_medium")
    assert sorted(name for (name,) in made) == sorted(name for name, _ in INDEXES)


def test_explain_endpoints_prints_every_query(pg):
    """The script itself, at a small scale: a line for each query, and its database is gone afterwards."""
    done = subprocess.run([SQL / "explain-endpoints", "--scale", "0.01", "--runs", "1", pg.conninfo_for("postgres", "postgres")],
                          capture_output=True, text=True, timeout=120,
                          env={"PATH": f"{bin_dir()}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["endpoint", "before"]
    assert len(lines) == 1 + sum(e.has_sql for e in ENDPOINTS)
    assert pg.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'weir_explain%%'", dbname="postgres") == 0
