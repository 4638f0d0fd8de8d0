"""Who asks: tokens, API keys, the web server's word; what of it reaches the endpoint."""

import collections
import hashlib
import json
import re
import subprocess
import threading

import pytest

from weirtest.base import TOP, wait_for
from weirtest.jose import Key, bearer, compact, key_set

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


# Keys come and go by reload.

def test_rotation_under_load(weir, pg):
    """A new key is added, tokens move to it, the old one is taken away: no request with a good token is refused."""
    old, new = Key("ES256", kid="old"), Key("EdDSA", kid="new")
    w = weir(ENDPOINTS, {"workers": {"min": 2, "max": 2}})

    def install(*keys):
        (w.site.dir / "jwks.json").write_text(key_set(*keys))
        answer = w.reload()
        assert answer.ok, answer
    w.site.write_conf({"auth": {"jwks": "jwks.json"}})
    install(old)
    current, stop, wrong, served = [old], threading.Event(), [], collections.Counter()

    def client():
        while not stop.is_set():
            key = current[0]
            answer = w.get("/me", headers=bearer(key.token()))
            served[key.kid] += 1
            if answer.status != 200:
                wrong.append((key.kid, answer))
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: served["old"] > 50, 10, "tokens of the old key")
        install(old, new)
        current[0] = new
        wait_for(lambda: served["new"] > 50, 10, "tokens of the new key")
        old_token = old.token()
        assert w.get("/me", headers=bearer(old_token)).status == 200
    finally:
        stop.set()
        for t in threads:
            t.join()
    install(new)
    assert not wrong, wrong[:3]
    # also where it was remembered
    for _ in range(4):
        assert w.get("/me", headers=bearer(old_token)).status == 401
        assert w.get("/me", headers=bearer(new.token())).status == 200


def test_a_broken_key_file_changes_nothing(weir, pg):
    key = Key("ES256", kid="a")
    w = weir(ENDPOINTS, {"workers": {"min": 1, "max": 1}})
    jwks = w.site.dir / "jwks.json"
    jwks.write_text(key_set(key))
    w.site.write_conf({"auth": {"jwks": "jwks.json"}})
    assert w.reload().ok
    off_curve = {**key.jwk, "y": key.jwk["x"]}
    for text, says in ((key_set({**key.jwk, "x": "AAAA"}), '"x" has 3 bytes; expected 32'), ("{", "not a JWK Set"), ("", "the file is empty"),
                       (key_set(off_curve), "is not a valid one for ES256")):
        jwks.write_text(text)
        checked = w.site.weird("-t")
        assert checked.returncode != 0 and says in checked.stdout + checked.stderr, (text, checked)
        assert str(jwks) in checked.stdout + checked.stderr
        answer = w.reload()
        assert not answer.ok, answer
        assert w.get("/me", headers=bearer(key.token())).status == 200
    jwks.unlink()
    assert "No such file" in w.site.weird("-t").stderr
    assert not w.reload().ok
    assert w.get("/me", headers=bearer(key.token())).status == 200


def test_what_the_check_says(site, pg):
    s = site(pg.conninfo, ENDPOINTS, {"auth": {"hs256_file": "secret", "api_keys": "keys", "leeway": "1h"}})
    (s.dir / "secret").write_text("short")
    (s.dir / "keys").write_text(f"a {digest('x')} u -\n\nb the-key-itself u -\n")
    said = s.weird("-t").stderr
    assert "expected a duration with its unit" in said
    assert f"{s.dir}/secret: the secret has 5 bytes; expected 32 to 4096" in said
    assert f"{s.dir}/keys:3: key b: bad digest" in said
    assert "the-key-itself" not in said
    (s.dir / "secret").write_text("0123456789abcdef" * 2)
    (s.dir / "secret").chmod(0o644)
    (s.dir / "keys").write_text(f"a {digest('x')} u -\n")
    s.write_conf({"auth": {"leeway": "1min"}})
    checked = s.weird("-t")
    assert checked.returncode == 0, checked
    assert "others may read this secret" in checked.stdout
    assert "0123456789abcdef" not in s.weird("-T").stdout + checked.stdout


def test_the_documented_way_to_make_a_key(weir, pg, tmp_path):
    """The two lines of doc/identity.md."""
    text = (TOP / "doc/identity.md").read_text()
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(("key=", "echo \"ci"))]
    assert len(lines) == 2, lines
    done = subprocess.run(["sh", "-ec", "\n".join([*lines, "echo $key"])], capture_output=True, text=True, check=True)
    line, key = done.stdout.splitlines()
    w = weir(ENDPOINTS, {"workers": {"min": 1, "max": 1}})
    (w.site.dir / "api.keys").write_text(line + "\n")
    w.site.write_conf({"auth": {"api_keys": "api.keys"}})
    assert w.reload().ok
    assert w.get("/me", headers={"X-API-Key": key}).json == "alice"
    assert w.get("/admin", headers=bearer(key)).status == 200


def test_the_studio_takes_tokens(weir, pg):
    """users.auth0_id is the sub of the issuer's tokens; the commented block of its weir.conf is all it needs."""
    key = Key("RS256", kid="studio")
    block = re.search(r"^auth \{\n((?:.*\n)*?)\}", (TOP / "examples/studio/weir.conf").read_text(), re.M)[1]
    auth = dict(re.findall(r'^#\s+(\w+)\s+= "(.*?)"', block, re.M))
    assert set(auth) == {"jwks", "issuer", "audience", "api_keys"}, auth
    me, name = pg.sql("SELECT auth0_id, display_name FROM users WHERE id = 20")[0]
    w = weir("studio", {"workers": {"min": 1, "max": 1}})
    (w.site.dir / "jwks.json").write_text(key_set(key))
    (w.site.dir / "api.keys").write_text(f"robot {digest(API_KEY)} {me} -\n")
    w.site.write_conf({"auth": auth})
    assert w.reload().severity in (6, 4)     # directives that are only kept are warned of
    token = key.token({"sub": me, "iss": auth["issuer"], "aud": [auth["audience"], "x"]})
    for headers in (bearer(token), {"X-API-Key": API_KEY}):
        answer = w.get("/api/me", headers=headers)
        assert (answer.status, answer.json["display_name"]) == (200, name), answer
    assert w.get("/api/me").status == 401
    assert w.get("/api/models?limit=1", headers=bearer(token + "x")).status == 401
