"""7.32: directives that are only kept say so wherever a configuration is read, and `weirctl -j reload` lists every warning and
error as an object."""

import re

from weirtest.weir import Site

KEPT = {
    "a": "-- @route GET /a\n-- @limit 100/s\n-- @set work_mem 64MB\n-- @priority batch\n-- @returns value\nSELECT 1 AS n\n",
    "b/c": "-- @route POST /b\n-- @idempotent\n-- @audit\n-- @returns value\nSELECT 1 AS n\n",
    "d": "-- @route GET /d\n-- @stream\n-- @replica\nSELECT 1 AS n\n",
}
LINES = [("a.sql", 2, "limit"), ("a.sql", 3, "set"), ("a.sql", 4, "priority"), ("b/c.sql", 2, "idempotent"), ("b/c.sql", 3, "audit"),
         ("d.sql", 2, "stream"), ("d.sql", 3, "replica")]


def sentences(site):
    return [f"{site.endpoints}/{file}:{line}: @{word} is not acted on yet" for file, line, word in LINES]


def test_every_reader_says_it(weir, pg, lone_worker):
    """Only `weird -t` did: who wrote @limit believed that there was one."""
    w = weir(KEPT)
    wanted = sentences(w.site)
    done = w.site.weird("-t")
    for sentence in wanted:
        assert f"warning: {sentence}" in done.stdout, done.stdout
        assert len(re.findall("warning: " + re.escape(sentence), w.log_text())) == 1, w.log_text()
    answer = w.reload()
    assert answer.severity == 4
    for sentence in wanted:
        assert f"warning: {sentence}" in answer.body and f"warning: reload: {sentence}" in w.log_text()
    alone = lone_worker(KEPT)
    for sentence in sentences(alone.site):
        assert f"warning: {sentence}" in alone.log_text()


def objects(answer, kind):
    found = answer.json[kind]
    for o in found:
        assert set(o) == {"file", "line", "column", "text"} and isinstance(o["line"], int) and o["text"], o
    return found


def test_json_lists_objects(weir):
    w = weir(KEPT)
    ok = w.ctl("reload", json=True)
    want = [(f"{w.site.endpoints}/{file}", line, f"@{word} is not acted on yet") for file, line, word in LINES]
    assert [(o["file"], o["line"], o["text"]) for o in objects(ok, "warnings")] == want and objects(ok, "errors") == []
    # what the server refuses, with its place
    w.site.write_endpoint("e", "-- @route GET /e\nSELECT nosuch,\n  1 FROM pg_class\n")
    w.site.write_endpoint("f", "-- @route GET /f\nSELEC 1\n")
    bad = w.ctl("reload", json=True)
    assert not bad.json["ok"] and len(objects(bad, "warnings")) == len(want)
    found = {o["file"].rpartition("/")[2]: o for o in objects(bad, "errors")}
    assert set(found) == {"e.sql", "f.sql"} and found["e.sql"]["line"] == 2 and found["e.sql"]["column"] == 8
    assert "nosuch" in found["e.sql"]["text"] and found["f.sql"]["line"] == 2
    assert w.weirctl("reload").returncode == 78
    # what the files themselves have wrong, with the warnings besides
    w.site.write_endpoint("e", "-- @route GET /e\n-- @cache 7parsecs\n-- @limit 1/s\nSELECT 1 AS n\n")
    w.site.remove_endpoint("f")
    bad = w.ctl("reload", json=True)
    assert [(o["file"], o["line"]) for o in objects(bad, "errors")] == [(f"{w.site.endpoints}/e.sql", 2)]
    assert len(objects(bad, "warnings")) == len(want)
    # keys that need a restart
    w.site.remove_endpoint("e")
    w.site.write_conf({"backlog": 99, "workers": {"max": 3}})
    ok = w.ctl("reload", json=True)
    needs = [o["text"] for o in objects(ok, "warnings") if "restart" in o["text"]]
    assert needs == ["backlog needs a restart; the old value is kept", "workers.max needs a restart; the old value is kept"], needs
    # a failure that has no place
    w.site.write_conf({"database": {"other": {"conninfo": w.site.settings["database"]["main"]["conninfo"]}}})
    bad = w.ctl("reload", json=True)
    assert [o["text"] for o in objects(bad, "errors")] == [bad.json["failure"]]


def test_secrets_that_others_may_read_and_no_endpoints(pg, weir):
    site = Site(pg.conninfo, None, {"auth": {"hs256_file": "secret"}})
    try:
        (site.dir / "secret").write_text("x" * 40)
        (site.dir / "secret").chmod(0o644)
        w = weir(site=site)
        for text in ("others may read this secret", "there is no endpoint"):
            assert f"{text}" in w.log_text() and text in w.reload().body and text in site.weird("-t").stdout
            assert any(text in o["text"] for o in objects(w.ctl("reload", json=True), "warnings"))
    finally:
        site.remove()
