#!/usr/bin/python3
"""No request waits for another connection: 40 keep-alive FastCGI connections on 2 workers, 3 requests on each.

First on all connections at once, round after round; then one connection after the other while all others are open and
idle, which is where an application that gives a process or thread to each connection stands still. Prints the
latencies; exit status 1 when a request took longer than --limit."""
import argparse
import os
import sys
from statistics import median

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from weirbench import fcgi, peers  # noqa: E402
from weirbench.bench import Bench  # noqa: E402
from weirbench.machine import BenchError  # noqa: E402


def show(what, latencies):
    ms = sorted(1000 * x for x in latencies)
    print(f"{what}: {len(ms)} requests, median {median(ms):.2f} ms, max {ms[-1]:.2f} ms")
    return ms[-1]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--connections", type=int, default=40)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--requests", type=int, default=3, help="on each connection (default 3)")
    p.add_argument("--limit", type=float, default=500, metavar="MS", help="longest latency allowed (default 500)")
    p.add_argument("--peer", help="default weir:own:WORKERS")
    p.add_argument("--build", metavar="DIR")
    p.add_argument("--user")
    a = p.parse_args()
    with Bench(a.build and os.path.abspath(a.build), a.user) as bench:
        peer = peers.make(a.peer or f"weir:own:{a.workers}")
        peer.prepare(bench)
        daemon = bench.started(peer)
        try:
            path = bench.nginx.socket(peer.kind)
            connections = [fcgi.Connection(path) for _ in range(a.connections)]
            targets = [fcgi.request(f"/row?id={1 + i}") for i in range(a.connections)]
            together, alone = [], []
            for _ in range(a.requests):
                together += fcgi.load(connections, targets, a.connections)
            for c in connections:
                alone += fcgi.load([c], targets, a.requests)
            print(f"{a.connections} keep-alive connections, {peer.variant}")
            worst = max(show("all at once", together), show("one at a time, the others idle", alone))
            for c in connections:
                c.close()
        finally:
            daemon.stop()
    print("met" if worst <= a.limit else f"MISSED: a request took longer than {a.limit:g} ms")
    return 0 if worst <= a.limit else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as e:
        print(f"tests/bench/keepalive.py: {e}", file=sys.stderr)
        sys.exit(1)
