"""The oracle: what an endpoint answers is, byte for byte, what row_to_json gives for the same row."""

import pytest

from weirtest.weir import LoneWorker, Site

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very "happy"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN tags AS text[];
CREATE EXTENSION hstore;
"""

VALUES = """
NULL::int; true; false; 0::int2; (-32768)::int2; 32767::int2; 2147483647; (-2147483648)::int4
9223372036854775807; (-9223372036854775808)::int8; 9007199254740993::int8
0.1::float4; 1e-7::float4; 3.4e38::float4; 'NaN'::float4; 'Infinity'::float4; '-Infinity'::float4
0.1::float8; 1e308::float8; 5e-324::float8; (-0.0)::float8; 'NaN'::float8; 'Infinity'::float8; '-Infinity'::float8
12345678901234567890123456789012345678.90123456789::numeric; 0.000::numeric(10,3); 'NaN'::numeric
'Infinity'::numeric; '-Infinity'::numeric; 1e100::numeric; 42::numeric; (-0.5)::numeric
''; 'plain'; 'quo"te'; 'back\\slash'; E'tab\\tnew\\nline\\rfeed\\fback\\bslash/'; E'\\x01\\x02\\x1f\\x7f'
'žluťoučký kůň'; '🚀 emoji'; '</script>'; 'x'::char(5); 'abc'::varchar(10); 'n'::name; 'c'::"char"
'\\x'::bytea; '\\xdeadbeef00'::bytea
'2026-11-24'::date; 'infinity'::date; '-infinity'::date; '0044-03-15 BC'::date; '9999-12-31'::date
'2026-11-24 11:12:13'::timestamp; '2026-11-24 11:12:13.5'::timestamp; '2026-11-24 11:12:13.123456'::timestamp
'infinity'::timestamp; '-infinity'::timestamp; '0044-03-15 12:00:00 BC'::timestamp
'2026-11-24 11:12:13+00'::timestamptz; '2026-06-24 11:12:13.000001+05:30'::timestamptz; 'infinity'::timestamptz
'-infinity'::timestamptz; '0044-03-15 12:00:00+00 BC'::timestamptz; '1800-01-01 00:00:00+00'::timestamptz
'11:12:13'::time; '11:12:13.5'::time; '11:12:13+02'::timetz; '11:12:13.25-05:30'::timetz
'1 year 2 mons 3 days 04:05:06.7'::interval; '-1 day'::interval; '00:00:00'::interval
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
'{"a": 1,   "b":[1, 2]}'::json; '{"a": 1,   "b":[1, 2]}'::jsonb; 'null'::jsonb; '"text"'::jsonb; '[]'::json
'10.0.0.1'::inet; '10.0.0.0/8'::cidr; '08:00:2b:01:02:03'::macaddr; '08:00:2b:01:02:03:04:05'::macaddr8
B'101'::bit(3); B'1011'::varbit; 12.34::money; '<a>b</a>'::xml; '16/B374D848'::pg_lsn; 'pg_class'::regclass; 42::oid
int4range(1, 5); numrange(1.5, NULL); tstzrange('2026-01-01+00', '2026-02-01+00'); int4multirange(int4range(1,3))
'(1,2)'::point; '((0,0),(1,1))'::box; '<(0,0),1>'::circle; 'a & !b'::tsquery; to_tsvector('simple', 'a "b" c')
ARRAY[1,2,3]; ARRAY[[1,2],[3,4]]; '{}'::int[]; ARRAY[NULL, 1]; ARRAY['a"b', NULL, 'c,d']; ARRAY[1.5, 'NaN'::numeric]
ARRAY['2026-11-24 11:12:13+00'::timestamptz]; ARRAY[true, false]; ARRAY['{"a": 1}'::jsonb]; '1 2 3'::int2vector
ROW(1, 'x', NULL); (1, 'y"z')::pair; ARRAY[(1, 'a')::pair, NULL]; NULL::pair; ROW(ROW(1, 2), ARRAY[3])
'sad'::mood; 'very "happy"'::mood; ARRAY['ok']::mood[]; 7::positive; ARRAY['a', 'b']::tags
'a=>1, "b c"=>NULL'::hstore; 'epoch'::timestamptz; '(1,2)'::tid; 'pg_catalog'::regnamespace
"""

SETTINGS = [{}, {"timezone": "Asia/Kolkata"}, {"timezone": "America/St_Johns"}]


def cases():
    return [v.strip() for line in VALUES.strip().splitlines() for v in line.split("; ") if v.strip()]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.get("timezone", "UTC"))
def test_every_type_is_rendered_as_row_to_json_does(db, settings):
    db.sql(SETUP)
    values = cases()
    endpoints = {f"t{i}": f"-- @route GET /t/{i}\n-- @returns row\nSELECT {v} AS v, {v} AS \"w \"\"2\"\"\"\n"
                 for i, v in enumerate(values)}
    endpoints["all"] = ("-- @route GET /all\n-- @returns rows\nSELECT " +
                        ", ".join(f"{v} AS c{i}" for i, v in enumerate(values)) + " FROM generate_series(1, 3)\n")
    site = Site(db.conninfo, endpoints, {"database": {"main": settings}})
    worker = LoneWorker(site)
    try:
        with db.connect() as conn:
            cur = conn.cursor()
            zone = settings.get("timezone", "UTC")
            cur.execute("SET TimeZone = %s; SET IntervalStyle = postgres; SET DateStyle = ISO", (zone,))
            wrong = []
            for i, v in enumerate(values):
                cur.execute(f'SELECT row_to_json(r)::text FROM (SELECT {v} AS v, {v} AS "w ""2""") r')
                want = cur.fetchone()[0]
                reply = worker.get(f"/t/{i}")
                got = reply.body.decode()
                if reply.status != 200 or got != want:
                    wrong.append(f"{v}: want {want}, got {reply.status} {got}")
            assert not wrong, "\n".join(wrong)
            columns = ", ".join(f"{v} AS c{i}" for i, v in enumerate(values))
            cur.execute(f"SELECT '[' || string_agg(row_to_json(r)::text, ',') || ']' FROM "
                        f"(SELECT {columns} FROM generate_series(1, 3)) r")
            assert worker.get("/all").body.decode() == cur.fetchone()[0]
    finally:
        worker.stop()


def test_value_and_json_and_none_and_row(db):
    site = Site(db.conninfo, {
        "v": "-- @route GET /v\n-- @returns value\nSELECT 12.50::numeric AS n",
        "vn": "-- @route GET /vn\n-- @returns value\nSELECT NULL::int AS n",
        "v0": "-- @route GET /v0\n-- @returns value\nSELECT 1 AS n WHERE false",
        "j": "-- @route GET /j\n-- @returns json\nSELECT '{\"a\":  1}'::json AS doc",
        "r0": "-- @route GET /r0\n-- @returns row\nSELECT 1 AS n WHERE false",
        "e": "-- @route GET /e\nSELECT 1 AS n WHERE false",
    })
    worker = LoneWorker(site)
    try:
        assert worker.get("/v").body == b"12.50"
        assert worker.get("/vn").body == b"null"
        assert worker.get("/v0").status == 404
        assert worker.get("/j").body == b'{"a":  1}'
        assert worker.get("/r0").status == 404
        assert worker.get("/e").body == b"[]"
    finally:
        worker.stop()
