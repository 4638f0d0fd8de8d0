"""Methods, paths, statuses, problem documents: over FastCGI directly, under weird and with a worker alone."""

import json

import pytest

from weirtest.fcgi import Connection, Closed, request
from weirtest.weir import LoneWorker, Site

ENDPOINTS = {
    "ping": "-- @route GET /ping\n-- @returns none\n",
    "rows": "-- @route GET /rows\nSELECT g AS n, 'x' || g AS t FROM generate_series(1, 3) g ORDER BY 1\n",
    "norows": "-- @route GET /norows\nSELECT 1 AS n WHERE false\n",
    "row": "-- @route GET /row/{id}\n-- @returns row\nSELECT :id::int AS id WHERE :id::int < 10\n",
    "value": "-- @route GET /value\n-- @returns value\nSELECT 42 AS n\n",
    "doc": "-- @route GET /doc\n-- @returns json\nSELECT '{\"a\": [1, 2]}'::json\n",
    "big": "-- @route GET /big/{kb}\n-- @returns value\nSELECT repeat('x', :kb::int * 1024) AS t\n",
    "created": "-- @route POST /things\n-- @returns row\n-- @status 201\n-- @header Location: /things/{id}\n"
               "SELECT 7 AS id, :name::text AS name\n",
    "echo": "-- @route PUT /echo\n-- @param doc from body\n-- @returns json\nSELECT :doc::json\n",
    "drop": "-- @route DELETE /things/{id}\n-- @returns none\nSELECT :id::int\n",
    "me": "-- @route GET /me\n-- @auth user\n-- @param who from user\n-- @returns value\nSELECT :who::text\n",
    "slow": "-- @route GET /slow\n-- @timeout 200ms\n-- @returns none\nSELECT pg_sleep(5)\n",
    "fails": "-- @route GET /fails\n-- @returns value\nSELECT 1 / (:zero::int)\n",
    "multi/a": "-- @route GET /multi\nSELECT 1 AS n\n",
    "multi/b": "-- @route PATCH /multi\n-- @returns none\nSELECT 1\n",
}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=["weird", "worker alone"])
def served(request, _pg_session, module_weir):
    if request.param == "weird":
        yield module_weir(ENDPOINTS)
    else:
        site = Site(_pg_session.conninfo, ENDPOINTS, {"status": None})
        worker = LoneWorker(site)
        yield worker
        worker.stop()
        site.remove()


def problem(answer, status, code):
    assert answer.status == status, answer
    assert answer.code == code, answer
    doc = answer.json
    assert {"type", "title", "status", "code"} <= set(doc), doc
    return doc


@pytest.mark.san
def test_shapes(served):
    assert served.get("/rows").json == [{"n": 1, "t": "x1"}, {"n": 2, "t": "x2"}, {"n": 3, "t": "x3"}]
    assert served.get("/norows").json == []
    assert served.get("/row/7").json == {"id": 7}
    assert served.get("/value").json == 42
    assert served.get("/doc").json == {"a": [1, 2]}
    for path in ("/rows", "/row/7", "/value", "/doc"):
        assert served.get(path).header("Content-Type").startswith("application/json")


def test_none_is_204_without_body(served):
    answer = served.get("/ping")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Content-Type") is None


def test_no_row_is_404(served):
    problem(served.get("/row/70"), 404, "no_row")


def test_unknown_path_is_404(served):
    for path in ("/", "/nothing", "/rows/", "/rows/1", "//rows", "/row", "/row/1/2", "/ROWS", "*"):
        problem(served.get(path), 404, "not_found")


def test_path_is_not_decoded_before_routing(served):
    assert served.get("/row/%37").json == {"id": 7}
    problem(served.get("/row%2F7"), 404, "not_found")


def test_dots_are_not_resolved(served):
    problem(served.get("/row/../rows"), 404, "not_found")


def test_query_of_the_uri_wins_over_query_string(served):
    assert served.get("/fails?zero=1", QUERY_STRING="zero=0").json == 1


def test_without_request_uri_script_name_and_path_info_serve(served):
    answer = served.get("/unused", REQUEST_URI=None, SCRIPT_NAME="/row", PATH_INFO="/7", QUERY_STRING="")
    assert answer.json == {"id": 7}


@pytest.mark.san
def test_head_is_get_without_body(served):
    for path in ("/rows", "/row/7", "/value", "/big/300", "/row/70", "/ping"):
        get, head = served.get(path), served.get(path, "HEAD")
        assert head.body == b"", path
        assert head.status == get.status
        for name in ("Content-Type", "Content-Length", "ETag", "Allow"):
            assert head.header(name) == get.header(name), (path, name)


def test_options_and_405_list_what_is_allowed(served):
    for path, allowed in (("/rows", {"GET", "HEAD", "OPTIONS"}), ("/multi", {"GET", "HEAD", "OPTIONS", "PATCH"}),
                          ("/things", {"POST", "OPTIONS"})):
        answer = served.get(path, "OPTIONS")
        assert answer.status == 204
        assert set(answer.header("Allow").split(", ")) == allowed
        refused = served.get(path, "DELETE")
        problem(refused, 405, "method_not_allowed")
        assert set(refused.header("Allow").split(", ")) == allowed


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "G ET", "X" * 200])
def test_foreign_methods(served, method):
    answer = served.get("/rows", method)
    assert answer.status in (400, 405, 501), answer


def test_method_missing(served):
    problem(served.get("/rows", REQUEST_METHOD=None), 400, "bad_request")


@pytest.mark.san
def test_writes(served):
    answer = served.get("/things", "POST", headers=JSON, body=b'{"name": "n\\u00e9"}')
    assert answer.status == 201, answer
    assert answer.json == {"id": 7, "name": "né"}
    assert answer.header("Location") == "/things/7"
    assert served.get("/things/7", "DELETE").status == 204


def test_whole_body_as_a_document(served):
    doc = {"a": [1, None, "é"], "b": {"c": 1.5}}
    assert served.get("/echo", "PUT", headers=JSON, body=json.dumps(doc)).json == doc


def test_body_that_is_not_json(served):
    for body in (b"{", b"nonsense", b'{"name": "x"} trailing', b'{"name": 01}', b"[1,]"):
        problem(served.get("/things", "POST", headers=JSON, body=body), 400, "bad_json")


def test_body_with_broken_text(served):
    for body in (b'{"name": "\xff"}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}'):
        assert served.get("/things", "POST", headers=JSON, body=body).status == 400


def test_faults_are_reported_together_and_name_the_parameter(served):
    doc = problem(served.get("/row/abc?x=1&y=2"), 400, "bad_parameter")
    assert "id" in json.dumps(doc) and '"x"' in json.dumps(doc) and '"y"' in json.dumps(doc)
    assert '"name"' in json.dumps(problem(served.get("/things", "POST", headers=JSON, body=b"{}"), 400,
                                          "bad_parameter"))


def test_user_is_who_the_web_server_says(served):
    assert served.get("/me", REMOTE_USER="ann").json == "ann"
    answer = served.get("/me")
    problem(answer, 401, "unauthenticated")


def test_user_cannot_come_from_a_header(served):
    for name in ("Remote-User", "X-Remote-User", "REMOTE_USER", "X-User"):
        assert served.get("/me", headers={name: "eve"}).status == 401


@pytest.mark.san
def test_body_too_large(served):
    problem(served.get("/things", "POST", headers=JSON, body=b"x" * (1 << 20) + b"y"), 413, "too_large")


def test_body_announced_too_large_is_refused_before_it_comes(served):
    with Connection(served.listen) as c:
        from weirtest.fcgi import PARAMS, begin, cgi_params, pairs, stream
        c.send(begin() + stream(PARAMS, pairs(cgi_params("/things", "POST", JSON, CONTENT_LENGTH="99999999"))))
        problem(c.read_reply(), 413, "too_large")


def test_content_length_must_be_true(served):
    for said in ("3", "300"):
        answer = served.get("/things", "POST", headers=JSON, body=b'{"name":"x"}', CONTENT_LENGTH=said)
        assert answer.status == 400, answer


def test_content_length_may_be_absent(served):
    answer = served.get("/things", "POST", headers=JSON, body=b'{"name":"x"}', CONTENT_LENGTH=None)
    assert answer.status == 201, answer


def test_uri_too_long(served):
    problem(served.get("/rows?" + "a" * 9000), 414, "uri_too_long")


def test_other_media_types(served):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(served.get("/things", "POST", headers={"Content-Type": kind}, body=b"name=x"), 415,
                "unsupported_media_type")
    for kind in ("application/json; charset=utf-8", "application/merge-patch+json", "Application/JSON"):
        answer = served.get("/things", "POST", headers={"Content-Type": kind}, body=b'{"name":"x"}')
        assert answer.status == 201, (kind, answer)


@pytest.mark.san
def test_headers_too_large(served):
    many = {f"X-H{i}": "v" * 1000 for i in range(80)}
    try:
        answer = served.get("/rows", headers=many)
    except (Closed, ConnectionError):
        return      # closed with unread bytes: the refusal may be lost with the connection
    problem(answer, 431, "headers_too_large")


def test_not_acceptable(served):
    assert served.get("/rows", headers={"Accept": "text/html"}).status == 406
    for good in ("*/*", "application/json", "text/html, application/*;q=0.1", ""):
        assert served.get("/rows", headers={"Accept": good}).status == 200, good


def test_deadline_is_504(served):
    problem(served.get("/slow"), 504, "timeout")
    assert served.get("/value").json == 42


def test_database_error_says_no_sql(served):
    answer = served.get("/fails?zero=0")
    assert 400 <= answer.status <= 500
    assert answer.code
    assert b"SELECT" not in answer.body


def test_big_answers(served):
    for kb in (1, 63, 64, 65, 300, 3000):
        assert served.get(f"/big/{kb}").json == "x" * (kb * 1024)


@pytest.mark.san
def test_many_requests_on_one_connection(served):
    with Connection(served.listen) as c:
        for i in range(300):
            c.send_request(f"/row/{i % 12}")
            answer = c.read_reply()
            assert answer.status == (200 if i % 12 < 10 else 404)
            assert answer.protocol_status == 0


def test_connection_is_closed_when_not_to_be_kept(served):
    with Connection(served.listen) as c:
        c.send_request("/value", keep=False)
        assert c.read_reply().json == 42
        assert c.is_closed()


def test_40_kept_connections_do_not_wait_for_each_other(served):
    """Fewer workers than connections, every connection is kept: nobody waits for another's to close."""
    connections = [Connection(served.listen, timeout=5) for _ in range(40)]
    try:
        for _ in range(3):
            for c in connections:
                c.send_request("/value")
            assert [c.read_reply().json for c in connections] == [42] * 40
    finally:
        for c in connections:
            c.close()


def test_no_header_of_ours_breaks_a_line(served):
    answer = request(served.listen, "/row/7", headers={"X-Request-Id": "abc"})
    for name, value in answer.headers:
        assert "\r" not in value and "\n" not in value, name
