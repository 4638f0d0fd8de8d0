"""Clients that claim to be somebody, through real web servers: headers that look like parameters, doubled and odd
credentials, forged and stolen tokens, certificates."""

import http.client
import json
import ssl
import subprocess
import time

import pytest

from test_30_identity import API_KEY, ENDPOINTS, Issuer
from weirtest.base import LOOPBACK, temp_dir, wait_for
from weirtest.http import encode
from weirtest.jose import Key, b64, bearer, compact
from weirtest.servers import STARTS_WORKER, Nginx, FRONTS
from weirtest.weir import Site

KINDS = ["nginx", "apache-proxy", "apache-fcgid", "lighttpd", "lighttpd-binpath", "haproxy"]
# Every endpoint of the identity tests below /api, which is what the snippets pass.
SITE = {name: text.replace("@route GET /", "@route GET /api/") for name, text in ENDPOINTS.items()}
SITE["headers"] = ("-- @route GET /api/headers\n-- @param p from header Proxy optional\n"
                   "-- @param k from header X-API-Key optional\n-- @returns row\nSELECT :p::text AS p, :k::text AS k\n")


@pytest.fixture(scope="module")
def issuer():
    return Issuer(["RS256", "PS256", "ES256", "EdDSA"])


@pytest.fixture(scope="module", params=KINDS)
def behind(request, _pg_session, module_weir, issuer):
    options = {"workers": {"min": 1, "max": 2}, **({"status": None} if request.param in STARTS_WORKER else {})}
    site = Site(_pg_session.conninfo, SITE, options)
    issuer.write(site, cert_param="SSL_CLIENT_S_DN", roles_param="REMOTE_ROLES")
    site.dir.chmod(0o755)
    if request.param not in STARTS_WORKER:
        module_weir(site=site)
    server = FRONTS[request.param](site)
    server.kind = request.param
    wait_for(lambda: server.get("/api/open").status == 200, 15, "the first answer")
    yield server
    server.close()
    site.remove()


def test_credentials_come_through(behind, issuer):
    for alg in issuer.keys:
        answer = behind.get("/api/me", headers=bearer(issuer.token(alg)))
        assert (answer.status, answer.json) == (200, "alice"), (alg, answer)
    assert behind.get("/api/me", headers={"X-API-Key": API_KEY}).json == "bob"
    assert behind.get("/api/me", headers={"x-api-key": API_KEY}).json == "bob"
    answer = behind.get("/api/me")
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Bearer realm="weir"')


@pytest.mark.parametrize("name", ["Remote_User", "Remote-User", "REMOTE_USER", "remote.user", "HTTP_REMOTE_USER", "Http-Remote-User",
                                  "X-Remote-User", "X_Remote_User", "Remote_Roles", "Redirect-Remote-User", "Auth_User",
                                  "AUTH_TYPE", "Logon-User", "X-Forwarded-User"])
def test_headers_are_no_parameters(behind, name):
    answer = behind.get("/api/open", headers={name: "mallory"})
    assert answer.status in (200, 400), answer
    assert answer.status == 400 or answer.json == "nobody", answer
    assert behind.get("/api/me", headers={name: "mallory"}).status in (400, 401)
    assert behind.get("/api/admin", headers={name: "admin"}).status in (400, 401)


def test_certificates_are_not_headers(behind):
    for dash in "-_":
        headers = {f"Ssl{dash}Client{dash}Verify": "SUCCESS", f"Ssl{dash}Client{dash}S{dash}Dn": "CN=root"}
        assert behind.get("/api/me", headers=headers).status in (400, 401)


def test_unchecked_basic_credentials_are_nobody(behind):
    answer = behind.get("/api/open", headers={"Authorization": "Basic bWFsbG9yeTp4"})
    assert (answer.status, answer.json) == (200, "nobody"), answer


def test_two_authorizations(behind, issuer):
    """One of them good: the caller is that one or refused, never somebody else. Twice the same is no better."""
    good, forged = f"Bearer {issuer.token()}", f"Bearer {Key('ES256').token({'sub': 'mallory'})}"
    for pair in ((good, forged), (forged, good), (good, good), ("Basic eDp5", good), (good, "Basic eDp5")):
        with behind.raw() as c:
            c.send(encode("GET", "/api/me", [("Authorization", v) for v in pair]))
            answer = c.read_response()
        assert answer.status in (200, 400, 401), answer
        if answer.status == 200:
            assert answer.json == "alice", (pair, answer)


def test_two_keys(behind):
    for names in (("X-API-Key", "X-API-Key"), ("X-API-Key", "X_API_Key"), ("X_API_Key", "X-API-Key")):
        for values in ((API_KEY, "x" * 40), ("x" * 40, API_KEY)):
            with behind.raw() as c:
                c.send(encode("GET", "/api/me", list(zip(names, values))))
                answer = c.read_response()
            assert answer.status in (200, 400, 401), answer
            if answer.status == 200:        # the other spelling was dropped
                assert answer.json == "bob" and names[0] != names[1], (names, answer)


def test_proxy_header_is_dropped(behind):
    assert behind.get("/api/headers", headers={"Proxy": "http://evil.example"}).json["p"] is None


def refused(behind, token, why=None):
    answer = behind.get("/api/me", headers=bearer(token))
    assert answer.status == 401, (token, answer)
    assert 'error="invalid_token"' in answer.header("WWW-Authenticate"), answer
    if why:
        assert why in answer.header("WWW-Authenticate"), answer


def test_alg_none(behind, issuer):
    claims = compact({"sub": "mallory", "exp": int(time.time()) + 600, "iss": "https://issuer.example", "aud": "api"})
    for alg in ("none", "None", "NONE", "nOnE", "", None):
        text = b64(compact({"alg": alg, "typ": "JWT"})) + "." + b64(claims)
        for sig in ("", "AAAA"):
            refused(behind, f"{text}.{sig}", "algorithm is not accepted")


def test_a_public_key_is_no_secret(behind, issuer):
    """RS256 to HS256: the public key in any shape an attacker may guess as the HMAC's secret."""
    key = issuer.keys["RS256"]
    pem = key.public_pem()
    n = key.private.public_key().public_numbers().n.to_bytes(256, "big")
    for secret in (pem, pem.strip(), n, key.jwk["n"].encode(), json.dumps(key.jwk).encode(), compact(key.jwk).encode()):
        for kid in (key.kid, None):
            forged = Key("HS256", kid=kid, secret=secret).token({"iss": "https://issuer.example", "aud": "api"})
            refused(behind, forged, "signature is not that of an accepted key")


def test_a_token_cannot_bring_its_key(behind, issuer):
    thief = Key("ES256", kid=issuer.keys["ES256"].kid)
    good = {"iss": "https://issuer.example", "aud": "api"}
    refused(behind, thief.token(good), "signature")
    for header in ({"jwk": thief.jwk}, {"jku": f"http://{LOOPBACK}:1/jwks.json"}, {"x5u": "https://evil.example/c"},
                   {"x5c": ["MIIB"]}, {"jwk": thief.jwk, "kid": None}, {"crit": ["jwk"], "jwk": thief.jwk}):
        refused(behind, thief.token(good, header))


def test_kid_tricks(behind, issuer):
    thief = Key("ES256")
    good = {"iss": "https://issuer.example", "aud": "api"}
    for kid in ("../../../../dev/null", "/etc/passwd", "' OR 1=1 --", "k-RS256", "", "x" * 256, "x" * 3000, ["k-ES256"], {"a": 1},
                7, True, "k-ES256\u0000", "K-ES256", "k-ES256 "):
        refused(behind, thief.token(good, {"kid": kid}))
    # without a kid the key is found, with that of another it is not
    assert behind.get("/api/me", headers=bearer(issuer.token(header={"kid": None}))).json == "alice"
    refused(behind, issuer.token(header={"kid": "k-RS256"}))
    refused(behind, issuer.token(header={"kid": "other"}))


def test_times_and_parties(behind, issuer):
    now = int(time.time())
    refused(behind, issuer.token(exp=now - 120), "it has expired")
    refused(behind, issuer.token(exp=None), "it has no exp")
    refused(behind, issuer.token(nbf=now + 600), "it is not valid yet")
    refused(behind, issuer.token(iat=now + 600), "it was issued in the future")
    refused(behind, issuer.token(aud="somebody else"), "another audience")
    refused(behind, issuer.token(aud=None), "another audience")
    refused(behind, issuer.token(iss="https://issuer.example/"), "issuer")
    refused(behind, issuer.token(iss=None), "issuer")
    assert behind.get("/api/me", headers=bearer(issuer.token(exp=now - 5))).status == 200      # within the leeway
    assert behind.get("/api/me", headers=bearer(issuer.token(aud=["x", "other"]))).status == 200


def test_long_and_odd_credentials(behind, issuer):
    for value in ("Bearer", "Bearer ", "Bearer  x", "Bearer a b", "Bearer ..", "bearer " + "." * 500, "Bearer " + "a" * 3000,
                  "Bearer " + issuer.token() + ".x", "Bearer " + issuer.token().replace(".", "..", 1)):
        answer = behind.get("/api/me", headers={"Authorization": value})
        assert answer.status in (400, 401), (value, answer)
    scheme = behind.get("/api/me", headers={"Authorization": "bEaReR   " + issuer.token()})
    assert scheme.status == 200, scheme


# Client certificates, verified by nginx.

def openssl(folder, *args):
    subprocess.run(["openssl", *map(str, args)], cwd=folder, check=True, capture_output=True)


def make_ca(folder, name, cn):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={cn}")


def make_cert(folder, name, ca, cn):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/O=Weir/CN={cn}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", "2", "-out", f"{name}.crt")


def test_client_certificates(weir, front, issuer):
    folder = temp_dir("tls")
    folder.chmod(0o755)
    make_ca(folder, "ca", "authority")
    make_ca(folder, "evil", "another authority")
    make_cert(folder, "server", "ca", "localhost")
    make_cert(folder, "good", "ca", "service-7")
    make_cert(folder, "forged", "evil", "service-7")
    w = weir(SITE, {"auth": {"cert_param": "SSL_CLIENT_S_DN"}})
    server = front(Nginx, w, tls=folder)

    def ask(path, name=None, headers=()):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if name:
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        c = http.client.HTTPSConnection(LOOPBACK, server.port, context=context, timeout=20)
        c.request("GET", path, headers=dict(headers))
        answer = c.getresponse()
        body = answer.read()
        c.close()
        return answer.status, json.loads(body)
    assert ask("/api/me", "good") == (200, "CN=service-7,O=Weir")
    assert ask("/api/me", "forged")[0] == 401       # nginx asked and did not verify: FAILED
    assert ask("/api/me")[0] == 401
    assert ask("/api/me", "forged", {"Ssl-Client-Verify": "SUCCESS", "Ssl_Client_Verify": "SUCCESS"})[0] == 401
    assert ask("/api/open", "forged") == (200, "nobody")
