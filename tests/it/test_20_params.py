"""Parameters: where they come from, how they are checked, and that all faults are told together."""

import json
from urllib.parse import quote

import pytest

from weirtest.weir import LoneWorker, Site

ENDPOINTS = {
    "echo": """-- @route GET /echo
-- @param i optional range 1..100
-- @param big optional
-- @param n optional
-- @param t optional minlen 2 maxlen 5
-- @param c optional choice red|green
-- @param d default 7
-- @param u optional
-- @param ids optional
-- @returns row
SELECT :i::int AS i, :big::bigint AS big, :n::numeric AS n, :t::text AS t, :c::text AS c, :d::int AS d, :u::uuid AS u,
       :ids::int[] AS ids""",
    "from": """-- @route GET /from/{p}
-- @param h from header X-Tenant optional
-- @param k from cookie sid optional
-- @param w from user optional
-- @returns row
SELECT :p::text AS p, :h::text AS h, :k::text AS k, :w::text AS w""",
    "mine": """-- @route GET /mine
-- @auth user
-- @param me from user
-- @returns row
SELECT :me::text AS me, current_setting('request.user', true) AS setting""",
    "body": """-- @route POST /body
-- @param a
-- @param n optional
-- @param list optional
-- @param doc optional
-- @returns row
-- @status 201
-- @header X-Made: {a}
SELECT :a::text AS a, :n::numeric AS n, :list::text[] AS list, :doc::jsonb AS doc""",
    "whole": """-- @route POST /whole
-- @param doc from body
-- @returns json
SELECT :doc::jsonb AS doc""",
    "sorted": """-- @route GET /sorted
-- @choice sort a|b:desc default a
-- @returns rows
SELECT a, b FROM (VALUES (1, 1), (2, 2), (3, 0)) v(a, b) ORDER BY :sort""",
    "open": """-- @route GET /open
-- @param *
-- @param x optional
-- @returns row
SELECT :x::text AS x""",
}


@pytest.fixture(scope="module")
def worker(_pg_session):
    w = LoneWorker(Site(_pg_session.conninfo, ENDPOINTS))
    yield w
    w.stop()


def faults(reply):
    assert reply.status == 400, reply
    assert reply.header("content-type") == "application/problem+json"
    return {e["parameter"]: e["expected"] for e in reply.json.get("errors", [])}


def test_values_arrive_as_sent(worker):
    got = worker.get("/echo?i=42&big=9223372036854775807&n=12345678901234567890.12345678901234567890&t=" +
                     quote("žluť") + "&c=red&u=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11&ids=1&ids=2&ids=3")
    assert got.status == 200, got
    assert got.body.decode() == (
        '{"i":42,"big":9223372036854775807,"n":12345678901234567890.12345678901234567890,"t":"žluť","c":"red","d":7,'
        '"u":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","ids":[1,2,3]}')


def test_absent_optional_is_null_and_default_is_used(worker):
    assert worker.get("/echo").json == {"i": None, "big": None, "n": None, "t": None, "c": None, "d": 7, "u": None,
                                        "ids": None}


def test_all_faults_are_reported_together(worker):
    got = faults(worker.get("/echo?i=0&big=x&n=1e&t=a&c=blue&u=zz&nosuch=1&d=1&d=2&ids=1&ids=b"))
    assert set(got) == {"i", "big", "n", "t", "c", "u", "nosuch", "d", "ids"}
    assert got["i"] == "a value from 1 to 100"
    assert "9223372036854775807" in got["big"]
    assert got["t"] == "2 to 5 characters"
    assert got["c"] == "one of red, green"


@pytest.mark.parametrize("query", ["t=%00a", "t=%ff%fe", "t=%c0%80", "t=%ed%a0%80", "t=%2", "t=%zz", "%00=1"])
def test_nul_and_bad_utf8_never_reach_postgresql(worker, query):
    assert worker.get("/echo?" + query).status == 400


def test_sources(worker):
    got = worker.get("/from/a%2Fb%20c", headers={"X-Tenant": "acme", "Cookie": "x=1; sid=s3cret; y=2"},
                     REMOTE_USER="ann")
    assert got.json == {"p": "a/b c", "h": "acme", "k": "s3cret", "w": "ann"}


def test_user_is_needed_and_reaches_the_session(worker):
    assert worker.get("/mine").status == 401
    assert worker.get("/mine", REMOTE_USER="ann").json == {"me": "ann", "setting": "ann"}
    assert worker.get("/mine", headers={"Remote-User": "eve"}).status == 401


def post(worker, path, doc, raw=None, **more):
    body = raw if raw is not None else json.dumps(doc).encode()
    return worker.get(path, method="POST", body=body, headers={"Content-Type": "application/json"}, **more)


def test_json_body(worker):
    got = post(worker, "/body", None, b'{"a":"x\\u00e9","n":12345678901234567890.123456789,"list":["a","b,c",null],'
                                      b'"doc":{"k":[1, 2]}}')
    assert got.status == 201, got
    assert got.header("x-made") == "xé".encode().decode("latin-1") or got.header("x-made") == "xé"
    assert got.body.decode() == ('{"a":"xé","n":12345678901234567890.123456789,"list":["a","b,c",null],'
                                 '"doc":{"k": [1, 2]}}')


def test_bodies_that_are_refused(worker):
    assert post(worker, "/body", {}).json["errors"][0]["expected"] == "required"
    assert post(worker, "/body", None, b"{").json["code"] == "bad_json"
    assert post(worker, "/body", None, b"[1]").json["code"] == "bad_json"
    assert post(worker, "/body", None, b'{"a":"x","a":"y"}').json["code"] == "bad_json"
    assert post(worker, "/body", {"a": "x", "b": 1}).json["errors"][0]["parameter"] == "b"
    assert post(worker, "/body", {"a": {"x": 1}}).status == 400
    got = worker.get("/body", method="POST", body=b"a=1", headers={"Content-Type": "text/plain"})
    assert got.status == 415 and got.json["code"] == "unsupported_media_type"
    assert "Content-Type: application/json" in got.json["detail"]


def test_whole_body(worker):
    assert post(worker, "/whole", {"any": ["thing", 1]}).json == {"any": ["thing", 1]}
    assert post(worker, "/whole", None, b"{]").status == 400


def test_header_injection_is_refused(worker):
    got = post(worker, "/body", {"a": "x\r\nSet-Cookie: evil=1"})
    assert got.status == 500
    assert got.header("set-cookie") is None


def test_choice_picks_a_variant(worker):
    assert [r["a"] for r in worker.get("/sorted").json] == [1, 2, 3]
    assert [r["a"] for r in worker.get("/sorted?sort=b:desc").json] == [2, 1, 3]
    assert faults(worker.get("/sorted?sort=b%3B--")) == {"sort": "one of a, b:desc"}


def test_unknown_parameters_may_be_admitted(worker):
    assert worker.get("/open?x=1&y=2").json == {"x": "1"}


@pytest.mark.parametrize("value", ["' OR 1=1 --", "'; DROP TABLE users; --", "$1", ":x", "\\'; --", "a' UNION SELECT 1"])
def test_values_are_bound_never_spliced(worker, value):
    assert worker.get("/open?x=" + quote(value)).json == {"x": value}


def test_the_servers_own_refusal_names_the_parameter(worker, db):
    site = Site(db.conninfo, {"d": "-- @route GET /d\n-- @returns row\nSELECT :day::date AS day, :n::int AS n"})
    w = LoneWorker(site)
    try:
        assert faults(w.get("/d?n=1&day=2026-13-45")) == {"day": "a value that the database accepts for this type"}
    finally:
        w.stop()
