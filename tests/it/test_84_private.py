"""7.28: an answer made for one caller, or asked for by a known one, is nobody else's: private, no-store unless its author
says otherwise."""

import subprocess

import pytest

from weirtest.base import TOP, wait_for
from weirtest.servers import Nginx

MINE = {        # made for one caller, whoever asks
    "auth": "-- @route GET /api/auth\n-- @auth user\n-- @returns value\nSELECT clock_timestamp()\n",
    "role": "-- @route GET /api/role\n-- @auth role admin\n-- @returns value\nSELECT 1\n",
    "user": "-- @route GET /api/user\n-- @param u from user optional\n-- @returns value\nSELECT coalesce(:u::text, 'nobody')\n",
    "claim": "-- @route GET /api/claim\n-- @param c from claim sub optional\n-- @returns value\nSELECT coalesce(:c::text, 'nobody')\n",
    "rls": "-- @route GET /api/rls\n-- @rls\n-- @returns value\nSELECT coalesce(nullif(current_setting('request.user', true), ''), 'nobody')\n",
    "cookie": "-- @route GET /api/cookie\n-- @param s from cookie sid optional\n-- @returns value\nSELECT coalesce(:s::text, 'nobody')\n",
    "whole": "-- @route GET /api/whole\n-- @returns row\n-- @include me = GET /api/user\nSELECT 1 AS one\n",
    "deep": "-- @route GET /api/deep\n-- @returns row\n-- @include r = GET /api/rls\n-- @include o = GET /api/open\nSELECT 1 AS one\n",
    "path": "-- @route GET /api/path\n-- @returns row\n-- @param u from user optional\n-- @include t = GET /api/text/{u}\nSELECT 1 AS one\n",
}
OTHERS = {
    "open": "-- @route GET /api/open\n-- @returns value\nSELECT clock_timestamp()\n",
    "text": "-- @route GET /api/text/{t}\n-- @returns value\nSELECT :t::text\n",
    "lang": "-- @route GET /api/lang\n-- @param l from header Accept-Language optional\n-- @returns value\nSELECT coalesce(:l::text, 'none')\n",
    "said": "-- @route GET /api/said\n-- @auth user\n-- @header Cache-Control: private, max-age=7\n-- @returns value\nSELECT 1\n",
    "kept": "-- @route GET /api/kept\n-- @param u from user optional\n-- @cache 60s per user\n-- @returns value\nSELECT coalesce(:u::text, 'nobody')\n",
    "same": "-- @route GET /api/same\n-- @auth user\n-- @cache 60s public\n-- @returns value\nSELECT 1\n",
    "gone": "-- @route GET /api/gone\n-- @auth user\n-- @returns row\nSELECT 1 WHERE false\n",
    "bad": "-- @route GET /api/bad\n-- @param n range 1..2\n-- @auth user\n-- @returns value\nSELECT :n::int\n",
    "post": "-- @route POST /api/post\n-- @returns value\nSELECT 1\n",
}
OURS = "private, no-store"


@pytest.fixture(scope="module")
def w(module_weir):
    return module_weir({**MINE, **OTHERS})


def said(answer):
    return [v for k, v in answer.headers if k.lower() == "cache-control"]


def asks(w, path, user=None, method="GET", **more):
    return w.get(path, method, **({"REMOTE_USER": user} if user else {}), **more)


@pytest.mark.parametrize("name", MINE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_for_one_caller(w, name, method):
    for user in (None, "alice"):
        answer = asks(w, f"/api/{name}", user, method)
        assert said(answer) == [OURS], answer


def test_any_answer_to_a_known_caller(w):
    for path, status in (("/api/open", 200), ("/api/lang", 200), ("/api/nowhere", 404), ("/api/text/a%ff", 400)):
        assert asks(w, path).status == status
        answer = asks(w, path, "alice")
        assert (answer.status, said(answer)) == (status, [OURS]), answer
    assert said(asks(w, "/api/open")) == [] and said(asks(w, "/api/nowhere")) == ["no-store"]
    assert said(asks(w, "/api/post", "alice", "POST")) == [OURS] and said(asks(w, "/api/post", None, "POST")) == []
    assert said(asks(w, "/api/open", "alice", "OPTIONS")) == [OURS]


def test_errors_of_such_endpoints(w):
    for path, user, status in (("/api/auth", None, 401), ("/api/role", "alice", 403), ("/api/gone", "alice", 404), ("/api/bad?n=3", "alice", 400),
                               ("/api/auth?x=%", None, 400)):
        answer = asks(w, path, user)
        assert answer.status == status and said(answer) in ([OURS], ["no-store"]), answer
        assert status == 400 or said(answer) == [OURS], answer
    answer = asks(w, "/api/auth", "alice", "POST")
    assert answer.status == 405 and said(answer) == [OURS]


def test_the_author_has_the_last_word(w):
    assert said(asks(w, "/api/said", "alice")) == ["private, max-age=7"]
    assert said(asks(w, "/api/same", "alice"))[0].startswith("public, max-age=")
    for user in (None, "alice"):
        for _ in range(2):
            answer = asks(w, "/api/kept", user)
            assert answer.json == (user or "nobody")
            assert len(said(answer)) == 1 and said(answer)[0].startswith("private, max-age="), answer
        again = asks(w, "/api/kept", user, headers={"If-None-Match": answer.header("ETag")})
        assert again.status == 304 and len(said(again)) == 1 and said(again)[0].startswith("private, max-age="), again


def test_a_header_that_an_answer_is_made_of_is_named(w):
    answer = asks(w, "/api/lang", headers={"Accept-Language": "da"})
    assert answer.json == "da" and answer.header("Vary").lower() == "accept-language" and said(answer) == []
    assert asks(w, "/api/open").header("Vary") is None


def test_without_a_cache_too(weir):
    """@cache says what may be done with what it keeps; where it keeps nothing, the rule is the plain one."""
    w = weir({**MINE, **OTHERS}, {"cache": {"memory": 0}})
    assert said(asks(w, "/api/kept", "alice")) == said(asks(w, "/api/kept")) == [OURS]
    assert said(asks(w, "/api/same", "alice")) == [OURS]


def test_handlers(weir, tmp_path):
    so = tmp_path / "h.so"
    (tmp_path / "h.c").write_text(r'''
#include <string.h>
#include "lib/weir.h"
static void handle(struct weir_request *r, void *state) {
    (void)state;
    if (strcmp(weir_param(r, "how"), "said") == 0) weir_add_header(r, "cache-control", "max-age=9");
    weir_add_header(r, "X-Cache-Control", "none");
    weir_write(r, "1", 1);
    weir_done(r);
}
const struct weir_module weir_module = {.api = WEIR_API, .handle = handle};
''')
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{TOP}", "-o", so, tmp_path / "h.c"], check=True)
    w = weir({"open": f"-- @route GET /api/open/{{how}}\n-- @handler {so}\n",
              "mine": f"-- @route GET /api/mine/{{how}}\n-- @auth user\n-- @handler {so}\n"}, {"database": None})
    assert said(asks(w, "/api/open/plain")) == []
    assert said(asks(w, "/api/open/plain", "alice")) == said(asks(w, "/api/mine/plain", "alice")) == [OURS]
    assert said(asks(w, "/api/open/said", "alice")) == said(asks(w, "/api/mine/said", "alice")) == ["max-age=9"]
    assert said(asks(w, "/api/mine/plain")) == [OURS]


class Caching(Nginx):
    """nginx that keeps whatever it may."""

    def snippet(self, path, *changes):
        text = super().snippet(path, *changes)
        return text + f"fastcgi_cache_path {self.dir}/cache keys_zone=all:1m;\n" if path.endswith("upstream.conf") else text


def test_nginx_that_caches_everything_mixes_nobody_up(w, front):
    """With fastcgi_cache_valid any alice's answer went to bob."""
    server = front(Caching, w, extra=' fastcgi_cache all; fastcgi_cache_key "$request_method $request_uri"; fastcgi_cache_valid any 10m;'
                                     " fastcgi_cache_methods GET HEAD; fastcgi_param REMOTE_USER $http_x_user;"
                                     " add_header X-Kept $upstream_cache_status always;")

    def ask(path, user=None, **headers):
        return server.get(path, headers={**({"X-User": user} if user else {}), **headers})
    # it does keep, once the first reply is in its file
    wait_for(lambda: ask("/api/open").header("X-Kept") == "HIT", 5, "nginx to keep an answer")
    assert ask("/api/open").json == ask("/api/open").json
    for path in [f"/api/{n}" for n in MINE] + ["/api/kept", "/api/gone", "/api/bad?n=3", "/api/said", "/api/nowhere", "/api/text/x%ff"]:
        alice = ask(path, "alice")
        for user in ("bob", None, "alice"):
            answer = ask(path, user)
            assert answer.header("X-Kept") != "HIT", (path, answer)
            if b"alice" in alice.body and user != "alice":
                assert b"alice" not in answer.body, (path, user, answer)
    assert ask("/api/cookie", Cookie="sid=one").json == "one" and ask("/api/cookie", Cookie="sid=two").json == "two"
    assert ask("/api/lang", **{"Accept-Language": "da"}).json == "da" and ask("/api/lang", **{"Accept-Language": "de"}).json == "de"
