"""Who asks: tokens, API keys, the web server's word; what of it reaches the endpoint."""

import base64
import hashlib
import json
import time

import pytest

from weirtest.jose import Key, b64, bearer, compact, key_set

ENDPOINTS = {
    "open": "-- @route GET /open\n-- @param who from user optional\n-- @returns value\nSELECT coalesce(:who, 'nobody')\n",
    "me": "-- @route GET /me\n-- @auth user\n-- @param who from user\n-- @returns value\nSELECT :who::text\n",
    "admin": "-- @route GET /admin\n-- @auth role admin|root\n-- @returns value\nSELECT 1\n",
    "gold": "-- @route GET /gold\n-- @auth user claim tenant.plan=gold|silver\n-- @auth role staff\n"
            "-- @returns value\nSELECT 1\n",
    "claims": "-- @route GET /claims\n-- @param t from claim tenant.id\n-- @param g from claim groups optional\n"
              "-- @param n from claim name optional\n-- @param o from claim tenant optional\n"
              "-- @param p from claim tenant optional\n"
              "-- @returns row\n"
              "SELECT :t::int AS tenant, :g::text[] AS groups, :n::text AS name, :o::jsonb AS whole,"
              " :p::text AS text\n",
    "cfg": "-- @route GET /cfg\n-- @rls\n-- @returns row\n"
           "SELECT current_setting('request.user', true) AS u, current_setting('request.jwt.claims', true) AS c\n",
    "nocfg": "-- @route GET /nocfg\n-- @returns row\n"
             "SELECT current_setting('request.user', true) AS u, current_setting('request.jwt.claims', true) AS c\n",
}
API_KEY = "wk_" + "5f2c" * 12
ALGS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"]


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


class Issuer:
    """A site's keys: one of each algorithm, and the options for them."""

    def __init__(self, algs=ALGS):
        self.keys = {alg: Key(alg, kid="k-" + alg) for alg in algs}

    def write(self, site, **auth):
        (site.dir / "jwks.json").write_text(key_set(*self.keys.values()))
        (site.dir / "api.keys").write_text(
            "# keys of tests\n"
            f"ci       {digest(API_KEY)}  bob  admin,ci  tenant=7 plan=gold\n"
            f"machine  {digest('wk_machine' * 4)}  -  -\n")
        site.write_conf({"auth": {"jwks": "jwks.json", "api_keys": "api.keys", "audience": ["api", "other"],
                                  "issuer": "https://issuer.example", **auth}})

    def token(self, alg="ES256", claims=None, header=None, **more):
        return self.keys[alg].token({"iss": "https://issuer.example", "aud": "api", **(claims or {}), **more}, header)


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture(scope="module")
def w(_pg_session, module_weir, issuer):
    from weirtest.weir import Site
    site = Site(_pg_session.conninfo, ENDPOINTS, {"workers": {"min": 1, "max": 1}})
    issuer.write(site)
    yield module_weir(site=site)
    site.remove()


def challenge(answer):
    assert answer.status == 401, answer
    return answer.header("WWW-Authenticate")


@pytest.mark.san
@pytest.mark.parametrize("alg", ALGS)
def test_every_algorithm(w, issuer, alg):
    token = issuer.token(alg, sub="alice@" + alg)
    for _ in range(3):      # verified, then remembered
        answer = w.get("/me", headers=bearer(token))
        assert (answer.status, answer.json) == (200, "alice@" + alg), answer
    head, body, sig = token.split(".")
    other = issuer.token(alg, sub="mallory").split(".")
    for bad in (f"{head}.{other[1]}.{sig}", f"{head}.{body}.{other[2]}", f"{head}.{body}.", f"{head}.{body}",
                f"{head}.{body}.{sig[:-4]}", f"{head}.{body}.{sig}A", f"{head}.{body}.{sig}="):
        assert 'error="invalid_token"' in challenge(w.get("/me", headers=bearer(bad))), bad


def test_nobody(w):
    assert w.get("/open").json == "nobody"
    assert challenge(w.get("/me")) == 'Bearer realm="weir"'
    assert challenge(w.get("/admin")) == 'Bearer realm="weir"'
    assert w.get("/me").code == "unauthenticated"
    # Other schemes are the web server's business.
    assert w.get("/open", headers={"Authorization": "Basic YTpi"}).json == "nobody"


def test_a_bad_token_is_never_silently_nobody(w, issuer):
    answer = w.get("/open", headers=bearer(issuer.token(exp=1)))
    assert (answer.status, answer.code) == (401, "invalid_token")
    assert "it has expired" in challenge(answer)


def test_roles_and_claims(w, issuer):
    assert w.get("/admin", headers=bearer(issuer.token(roles=["x", "admin"]))).status == 200
    assert w.get("/admin", headers=bearer(issuer.token(roles="x admin"))).status == 200
    assert w.get("/admin", headers=bearer(issuer.token(roles=["root"], sub=None))).status == 200
    for roles in (None, [], ["administrator"], ["ADMIN"], {"admin": True}, 1, "adminx", [["admin"]]):
        answer = w.get("/admin", headers=bearer(issuer.token(roles=roles)))
        assert (answer.status, answer.code) == (403, "forbidden"), roles
        assert 'error="insufficient_scope"' in answer.header("WWW-Authenticate")
    good = {"tenant": {"plan": "gold"}, "roles": ["staff"]}
    assert w.get("/gold", headers=bearer(issuer.token(claims=good))).status == 200
    assert w.get("/gold", headers=bearer(issuer.token(claims={**good, "tenant": {"plan": ["x", "silver"]}}))).status == 200
    for change in ({"tenant": {"plan": "bronze"}}, {"tenant": {}}, {"tenant": "gold"}, {"roles": []}, {"sub": None}):
        assert w.get("/gold", headers=bearer(issuer.token(claims={**good, **change}))).status == 403, change


def test_claims_as_parameters(w, issuer):
    claims = {"tenant": {"id": 42, "x": None}, "groups": ["a", "b,c", "d\"e"], "name": "Zoë"}
    answer = w.get("/claims", headers=bearer(issuer.token(claims=claims)))
    assert answer.json == {"tenant": 42, "groups": claims["groups"], "name": "Zoë", "whole": claims["tenant"],
                           "text": compact(claims["tenant"])}
    assert w.get("/claims?t=42", headers=bearer(issuer.token(claims=claims))).code == "bad_parameter"
    assert w.get("/claims").code == "unauthenticated"
    assert w.get("/claims", headers=bearer(issuer.token())).code == "forbidden"
    answer = w.get("/claims", headers=bearer(issuer.token(claims={"tenant": {"id": "x"}})))
    assert answer.code == "bad_parameter"
    assert answer.json["errors"][0]["in"] == "claim"


def test_settings_of_the_transaction(w, issuer):
    token = issuer.token(sub="carol", claims={"tenant": {"id": 1}, "jti": "1"})
    answer = w.get("/cfg", headers=bearer(token)).json
    assert answer["u"] == "carol"
    assert json.loads(answer["c"])["tenant"] == {"id": 1}
    for _ in range(5):
        assert w.get("/cfg").json == {"u": "", "c": ""}
        assert w.get("/nocfg", headers=bearer(token)).json == {"u": "", "c": ""}
    answer = w.get("/cfg", REMOTE_USER="dave").json
    assert answer == {"u": "dave", "c": '{"sub":"dave"}'}


def test_api_keys(w, issuer):
    for headers in ({"X-API-Key": API_KEY}, bearer(API_KEY)):
        assert w.get("/me", headers=headers).json == "bob"
        assert w.get("/admin", headers=headers).status == 200
    answer = w.get("/cfg", headers={"X-API-Key": API_KEY}).json
    assert json.loads(answer["c"]) == {"key_id": "ci", "sub": "bob", "roles": ["admin", "ci"], "tenant": "7",
                                       "plan": "gold"}
    assert w.get("/me", headers={"X-API-Key": "wk_machine" * 4}).code == "forbidden"
    for bad in ("", "x", API_KEY[:-1], API_KEY + "0", API_KEY.upper(), digest(API_KEY), "ci", "x" * 5000):
        answer = w.get("/open", headers={"X-API-Key": bad})
        assert (answer.status, answer.code) == (401, "invalid_token"), bad
    both = {"X-API-Key": API_KEY, **bearer(issuer.token())}
    assert w.get("/me", headers=both).code == "bad_request"


def test_the_web_servers_word_comes_first(w, issuer):
    assert w.get("/me", REMOTE_USER="erin").json == "erin"
    assert w.get("/me", REMOTE_USER="erin", headers=bearer(issuer.token())).json == "erin"
    assert w.get("/me", REMOTE_USER="").status == 401
    assert w.get("/me", REMOTE_USER=b"\xff").status == 401
