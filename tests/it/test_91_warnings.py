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


NAMES = {
    "none": "-- @route GET /none\nSELECT id, id + 1 FROM users\n",
    "twice": "-- @route GET /twice\n-- @choice s u.id|u.email\nSELECT u.*, v.id FROM users u JOIN users v USING (email) ORDER BY :s\n",
    "part": "-- @route GET /part/{id}\n-- @returns row\n-- @include email = GET /fine/{id}\nSELECT id, email FROM users WHERE id = :id\n",
    "fine": "-- @route GET /fine/{id}\n-- @returns value\nSELECT count(*) + 1 FROM users WHERE id = :id\n",
    "json": "-- @route GET /json\n-- @returns json\nSELECT '{}'::json\n",
    "nothing": "-- @route DELETE /nothing\nDELETE FROM users WHERE false\n",
    "bare": "-- @route GET /bare\nSELECT FROM users\n",
    "meant": "-- @route GET /meant\nSELECT 1 AS \"?column?\"\n",
    "said": "-- @route DELETE /said\n-- @returns none\nDELETE FROM users WHERE false\n",
    "void": "-- @route POST /void\n-- @returns none\n-- @invalidates user\nSELECT 1\n",
}
SAID = {
    "none.sql:2: column 2 has no name",
    "twice.sql:3: two members of the answer are named id (column ",
    "part.sql:4: two members of the answer are named email",
    "nothing.sql:2: the statement returns nothing, and so each answer is []; say RETURNING, or @returns none\n",
    "bare.sql:2: the statement has no columns, and so each row of the answer is {}\n",
    "void.sql:3:17: @invalidates: no endpoint's @cache has the tag user\n",
}


def warnings_in(text):
    return [x for x in text.splitlines(keepends=True) if "warning" in x and ".sql:" in x]


def test_names_of_columns_are_said_by_test_start_and_reload(pg, site, weir):
    """7.37: two columns of one name, unnamed ones, and a part's name that is a column's; each once."""
    s = site(pg.conninfo, NAMES)
    found = warnings_in(s.weird("-t").stdout)
    assert len(found) == len(SAID) and all(any(w in x for x in found) for w in SAID), found
    assert all(f"warning: {s.endpoints}/" in x for x in found)
    w = weir(NAMES, {"workers": {"min": 2, "max": 2}})
    wait_for(lambda: len(warnings_in(w.log_text())) == len(SAID), 5, "the start to say all")
    assert all(any(x in y for y in warnings_in(w.log_text())) for x in SAID)
    said = w.ctl("reload", json=True)
    assert said.severity == 4 and len(said.json["warnings"]) == len(SAID)
    found = [f"{x['file'].rpartition('/')[2]}:{x['line']}{':%d' % x['column'] if x['column'] else ''}: {x['text']}\n"
             for x in said.json["warnings"]]
    assert all(any(w in x for x in found) for w in SAID), found
    assert w.get("/bare").json[0] == {}
    wait_for(lambda: len(warnings_in(w.log_text())) == 2 * len(SAID), 5, "the reload to say them once more")


def test_no_false_alarm(pg, site):
    """7.37: nothing is warned of in the sample application, but for directives that are only kept (7.32)."""
    done = site(pg.conninfo, "studio", {"auth": {"user_param": "REMOTE_USER"}}).weird("-t")
    # the second one is about the machine
    known = ("is not acted on yet", "open files (ulimit -n")
    assert done.returncode == 0 and not [line for line in (done.stdout + done.stderr).splitlines()
                                         if "warning" in line and not any(k in line for k in known)], done.stdout


def test_a_file_that_is_passed_over_is_named(site):
    """7.37"""
    s = site(None, {"a": EXPRESS_STYLE})
    (s.endpoints / "list.SQL").write_text("-- @route GET /list\n-- @returns none\n")
    (s.endpoints / "notes.txt").write_text("-- @route GET /list\n")
    done = s.weird("-t", "--offline")
    assert f"warning: {s.endpoints}/list.SQL: passed over" in done.stdout and "notes" not in done.stdout
