"""7.13: what a date means is the database's to say; only how it is written is ours."""

import pytest

from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site, Weird

ENDPOINTS = {
    "day": "-- @route GET /day\n-- @param d\n-- @returns value\nSELECT :d::date",
    "kept": "-- @route GET /kept\n-- @param d\n-- @returns value\n-- @cache 1h\nSELECT :d::date",
    "at": "-- @route GET /at\n-- @param d\n-- @returns value\nSELECT :d::timestamp",
    "put": "-- @route POST /day\n-- @param d\n-- @returns value\nSELECT :d::date",
    "order": "-- @route GET /order\n-- @returns value\nSELECT current_setting('DateStyle') || current_setting('IntervalStyle')",
}


def psql(db, text):
    """As a session with the database's own settings reads it."""
    return db.value(f"SELECT to_char('{text}'::date, 'YYYY-MM-DD')")


def check(w, db, text="01/02/03"):
    want = psql(db, text)
    with Connection(w.listen) as c:
        for _ in range(40):     # in both lanes
            for path in (f"/day?d={text}", f"/kept?d={text}"):
                c.send_request(path)
                assert c.read_reply().json == want, path
        c.send_request("/order")
        assert c.read_reply().json.startswith("ISO, ")
    assert w.get(f"/at?d={text}").json == want + "T00:00:00"
    assert w.get("/day", "POST", body=f'{{"d":"{text}"}}'.encode(),
                 headers=[("Content-Type", "application/json")]).json == want
    return want


@pytest.mark.parametrize("pooler", ["off", "pooler"])
def test_a_date_is_the_day_that_psql_says(db, pooler):
    """7.13: in every order of the database, in both lanes, and without session state as through a pooler."""
    options = {"database": {"main": {"pooler": "yes", "pool_min": 2, "pool_max": 6}}} if pooler == "pooler" else None
    days = set()
    for style in ("ISO, DMY", "SQL, MDY", "ISO, YMD", "German"):
        db.sql(f"ALTER DATABASE \"{db.name}\" SET datestyle = '{style}'")
        site = Site(db.conninfo, ENDPOINTS, options)
        w = LoneWorker(site)
        try:
            days.add(check(w, db))
        finally:
            w.stop()
            site.remove()
    assert days == {"2003-02-01", "2003-01-02", "2001-02-03"}


def test_a_reload_takes_the_order_that_new_sessions_have(db):
    """7.13: ALTER DATABASE and a reload: what was kept under the old order is not served."""
    db.sql(f'ALTER DATABASE "{db.name}" SET datestyle = \'ISO, DMY\'')
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}})
    w = Weird(site).wait_listening()
    try:
        assert check(w, db) == "2003-02-01"
        db.sql(f'ALTER DATABASE "{db.name}" SET datestyle = \'ISO, MDY\'')
        w.reload()
        assert check(w, db) == "2003-01-02"
        db.sql(f'ALTER DATABASE "{db.name}" SET datestyle = \'ISO, YMD\'')
        w.reload()
        assert check(w, db) == "2001-02-03"
    finally:
        w.stop()
        site.remove()
