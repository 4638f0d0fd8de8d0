"""The rules of HTTP caching, judged from outside: npm's http-cache-tests run through nginx and a handler in C that fetches
from the suite's origin and keeps what lib/http allows, in the cache that the workers share."""

import http.server
import subprocess
import threading

import pytest
from weirtest.base import BUILD, LOOPBACK, TOP, program, temp_dir, wait_for
from weirtest.npm import CacheTests
from weirtest.servers import Nginx

# Groups in which nothing required may fail, and how many of all required tests must pass.
FAULTLESS = {"invalidation", "vary", "vary-parse", "conditional-inm", "conditional-lm", "auth", "cc-response"}
GOAL = 141

HANDLER = """-- @route   ANY /{{rest...}}
-- @handler {so} {port}
-- @timeout 20s
"""


def passed(results, test):
    return results.get(test["id"]) is True


@pytest.mark.slow
def test_http_cache_tests(weir, front, capfd):
    suite = CacheTests(temp_dir("suite"))
    try:
        so = BUILD / "tests/it/handlers/upstream.so"
        w = weir({"upstream": HANDLER.format(so=so, port=suite.port)}, {"workers": {"min": 2, "max": 2}, "database": None},
                 env={"UV_THREADPOOL_SIZE": "64"})
        server = front(Nginx, w, prefix="/")
        results, tests = suite.run(server.port)
    finally:
        suite.close()
    by_id = {t["id"]: t for t in tests}
    required = [t for t in tests if t["kind"] == "required" and not t["browser_only"]]
    # a failed dependency says that the test means nothing here, a failed set-up that it could not be made
    failed = [t for t in required if not passed(results, t) and results.get(t["id"], ["?"])[0] != "Setup" and
              all(d not in by_id or passed(results, by_id[d]) for d in t["depends_on"])]
    n = sum(passed(results, t) for t in required)
    optimal = [t for t in tests if t["kind"] == "optimal" and not t["browser_only"]]
    odd = [f"{t['id']}: {results.get(t['id'])}" for t in required if not passed(results, t) and t not in failed]
    lines = [f"{t['suite']} {t['id']}: {results.get(t['id'])}" for t in failed]
    with capfd.disabled():  # the score is to be read where the tests run
        print(f"\nhttp-cache-tests: {n} of {len(required)} required passed, {len(failed)} failed, "
              f"{sum(passed(results, t) for t in optimal)} of {len(optimal)} optimal", *lines, "without a verdict:", *odd, sep="\n    ")
    assert not w.log_text().count("signal"), w.log_text()[-3000:]
    assert [t["id"] for t in required if t["suite"] in FAULTLESS and not passed(results, t)] == []
    assert n >= GOAL, "\n".join(lines)


@pytest.mark.san
def test_the_steps_around_a_handler(weir, front):
    """A handler's endpoint has limits, identity and a deadline as any other, and a client that leaves costs nothing."""
    with Slow() as origin:
        so = BUILD / "tests/it/handlers/upstream.so"
        w = weir({"all": HANDLER.format(so=so, port=origin.port).replace("20s", "300ms"),
                  "closed": f"-- @route GET /closed/{{id}}\n-- @handler {so} {origin.port}\n-- @auth user\n"},
                 {"workers": {"min": 1, "max": 2}, "database": None, "limits": {"body": "1KiB"}})
        server = front(Nginx, w, prefix="/")
        assert server.get("/quick").status == 200
        assert server.get("/quick", "POST", body=b"x" * 1000).status == 200
        assert server.get("/quick", "POST", body=b"x" * 1025).code == "too_large"
        assert server.get("/closed/7").code == "unauthenticated"
        assert server.get("/closed/7", "POST").code == "method_not_allowed", "the longer path decides, not the method"
        assert server.get("/slow").code == "timeout"
        # the client leaves while a thread works for it
        with server.raw() as c:
            c.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: origin.waiting >= 2, 5)
        origin.release()
        assert server.get("/quick").status == 200
        assert len(w.worker_pids()) == 1 and w.log_text().count("worker 0 is ready") == 1


@pytest.mark.san
def test_a_handler_that_cannot_be_loaded(weir):
    w = weir({"none": "-- @route GET /x\n-- @returns none\n"}, {"database": None})
    w.site.write_endpoint("bad", "-- @route GET /y\n-- @handler missing.so\n")
    answer = w.reload()
    assert not answer.ok and "missing.so" in answer.body + answer.text
    w.site.write_endpoint("bad", "-- @route ANY /y/{rest...}\n-- @returns none\n")
    answer = w.reload()
    assert not answer.ok and "needs a @handler" in answer.body + answer.text


def test_the_example(weir, front, tmp_path):
    """examples/handler/hello.c, built as its comment says, by any compiler that finds weir.h."""
    so = tmp_path / "hello.so"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{TOP}", "-o", so,
                    TOP / "examples/handler/hello.c"], check=True)
    w = weir({"hello": f"-- @route GET /api/hello/{{name}}\n-- @handler {so} Good morning\n-- @header X-By: us\n"}, {"database": None})
    server = front("nginx", w)
    answer = server.get("/api/hello/J%C3%B8rn")
    assert answer.json == {"says": "Good morning", "length": 5} and answer.header("X-By") == "us"
    assert server.get("/api/hello/nobody").status == 404
    assert server.get("/api/hello/x", "HEAD").header("Content-Length") == "34"


class Slow:
    """An origin that answers /slow when released, all else at once."""

    def __enter__(self):
        self.waiting, self.released = 0, threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/slow":
                    outer.waiting += 1
                    outer.released.wait(30)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
            do_POST = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def release(self):
        self.released.set()

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
