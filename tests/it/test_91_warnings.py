"""Issue 7.37: what loads and is most likely not what was meant is warned of, by weird -t, at the start and at a reload."""

from weirtest.base import wait_for

EXPRESS_STYLE = "-- @route GET /a/:id\n-- @returns none\n"
RIGHT = "-- @route GET /a/{id}\n-- @param id optional\nSELECT :id::text AS id\n"
SENTENCE = "@route: ':id' is literal text; a parameter is written {id}"


def test_warnings_are_said_by_test_start_and_reload(site, weir):
    """7.37: the list of warnings itself."""
    s = site(None, {"a": EXPRESS_STYLE})
    done = s.weird("-t", "--offline")
    assert done.returncode == 0 and f"warning: {s.endpoints}/a.sql:1:18: {SENTENCE}\n" in done.stdout, done.stdout
    w = weir({"a": EXPRESS_STYLE})
    place = f"{w.site.endpoints}/a.sql:1:18: {SENTENCE}"
    assert w.log_text().count(place) == 1 and "warning" in next(x for x in w.log_text().splitlines() if place in x)
    done = w.ctl("reload", json=True)
    assert done.severity == 4
    assert done.json["warnings"] == [{"file": f"{w.site.endpoints}/a.sql", "line": 1, "column": 18, "text": SENTENCE}]
    assert f"warning: {place}" in w.ctl("reload").body
    wait_for(lambda: w.log_text().count(f"reload: {place}") == 2, 5, "both reloads to log it")
    w.site.write_endpoint("a", "-- @route GET /a/x\n-- @returns none\n")
    done = w.ctl("reload", json=True)
    assert done.severity == 6 and done.json["warnings"] == []
