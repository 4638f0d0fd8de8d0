"""7.46: a worker's own memory follows how many requests it has at once, not how many it has served."""

import re
from pathlib import Path

from weirtest.base import SANITIZED
from weirtest.fcgi import Connection

ENDPOINTS = {"row": "-- @route GET /row\n-- @param id\n-- @returns row\nSELECT :id::int AS id, repeat('x', 100) AS t\n",
             "hit": "-- @route GET /hit\n-- @returns value\n-- @cache 1h\nSELECT 1 AS n\n",
             "rows": "-- @route GET /rows\nSELECT g AS id, repeat('y', 150) AS t FROM generate_series(1, 50) g\n"}
PATHS = ["/row?id=1", "/hit", "/rows", "/nothing"]


def own_kb(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def serve(w, n_conns, rounds):
    conns = [Connection(w.listen) for _ in range(n_conns)]
    for k in range(rounds):
        for i, c in enumerate(conns):
            c.send_request(PATHS[(i + k) % len(PATHS)])
        for c in conns:
            assert c.read_reply().status in (200, 404)
    for c in conns:
        c.close()


def test_memory_is_flat_at_the_same_load_and_bounded_after_a_burst(weir):
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 1, "max": 1}})
    pid = w.worker_pids()[0]
    serve(w, 32, 60)
    warm = own_kb(pid)
    serve(w, 32, 150)
    assert own_kb(pid) - warm < (4096 if SANITIZED else 512), (warm, own_kb(pid))
    serve(w, 400, 3)
    burst = own_kb(pid)
    serve(w, 400, 3)
    assert own_kb(pid) - burst < (8192 if SANITIZED else 1024), (burst, own_kb(pid))
    if not SANITIZED:
        assert burst - warm < 20 << 10, "as weir-worker(8) says"
