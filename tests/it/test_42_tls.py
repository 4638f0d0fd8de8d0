"""TLS to PostgreSQL: verify-full holds, a wrong authority or name is refused with its cause, nothing falls back."""

import shutil
import subprocess

import pytest

from weirtest.base import wait_for
from weirtest.pg import Postgres
from weirtest.weir import LoneWorker, Site

ENDPOINTS = {"tls": "-- @route GET /tls\n-- @returns value\n"
                    "SELECT ssl AS s FROM pg_stat_ssl WHERE pid = pg_backend_pid()"}


def openssl(*args, cwd):
    subprocess.run(["openssl", *map(str, args)], cwd=cwd, check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
            f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", cwd=folder)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "ca")
    authority(folder, "other")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out",
            "server.csr", "-subj", "/CN=localhost", cwd=folder)
    (folder / "ext").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "server.crt", cwd=folder)
    server = Postgres({"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"})
    for name in ("server.crt", "server.key"):
        shutil.copy(folder / name, server.data / name)
        if server.user:
            shutil.chown(server.data / name, server.user, server.user)
    (server.data / "server.key").chmod(0o600)
    hba = server.data / "pg_hba.conf"
    hba.write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
    try:
        server.start()
        server.folder = folder
        yield server
    finally:
        server.close()


def worker(server, host, **words):
    words = " ".join(f"{k}={v}" for k, v in words.items())
    conninfo = f"host={host} hostaddr=127.0.0.1 port={server.port} dbname=postgres user=postgres {words}"
    return LoneWorker(Site(conninfo, ENDPOINTS, {"database": {"main": {"pool_min": 1, "pool_max": 8}}}))


def test_verify_full_serves_over_tls(tls_server):
    w = worker(tls_server, "localhost", sslmode="verify-full", sslrootcert=tls_server.folder / "ca.crt")
    try:
        assert wait_for(lambda: w.get("/tls").body, 5) == b"true"
    finally:
        w.stop()


@pytest.mark.parametrize("host, ca, cause", [("localhost", "other.crt", "certificate verify failed"),
                                             ("db.example", "ca.crt", "does not match host name")])
def test_a_wrong_authority_or_name_is_refused_and_never_plaintext(tls_server, host, ca, cause):
    w = worker(tls_server, host, sslmode="verify-full", sslrootcert=tls_server.folder / ca)
    try:
        got = w.get("/tls")
        assert got.status == 503 and got.json["code"] == "db_down"
        assert cause.encode() not in got.body
        assert cause in w.log_text()
        assert tls_server.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir'") == 0
    finally:
        w.stop()


def test_a_remote_host_without_verification_is_refused_before_anything_is_sent(tls_server):
    # a name that nobody has (RFC 6761): the rule speaks before it would be looked up
    w = LoneWorker(Site("host=db.invalid dbname=x user=x sslmode=require", ENDPOINTS))
    try:
        got = w.get("/tls")
        assert got.status == 503
        assert "could not translate" not in w.log_text()
        assert "verify-full" in w.log_text() and "insecure_tls" in w.log_text()
    finally:
        w.stop()
