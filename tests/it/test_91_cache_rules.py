"""lib/http's rules of storing against another implementation of RFC 9111, npm's http-cache-semantics, over random requests and
responses. Where the two differ on purpose, the case is left out, and the difference is named below."""

import json
import random
import subprocess
from email.utils import formatdate

from weirtest.base import BUILD
from weirtest.npm import SOURCE, run_script

NOW = 1794787200
SECONDS = [0, 1, 5, 30, 59, 60, 61, 100, 3600]
CASES = 20000


def directives(rng, words, most=3):
    return ", ".join(w.replace("N", str(rng.choice(SECONDS))) for w in rng.sample(words, rng.randint(0, most)))


def case(rng):
    request, response, again = {}, {}, {}
    if text := directives(rng, ["no-store", "no-cache", "max-age=N", "foo=bar"], 1):
        request["cache-control"] = text
    if rng.random() < 0.15:
        request["authorization"] = "x"
    if text := directives(rng, ["max-age=N", "s-maxage=N", "public", "private", "no-store", "no-cache", "must-revalidate",
                                "proxy-revalidate", "stale-while-revalidate=N", "stale-if-error=N", "x=y", "no-transform"]):
        response["cache-control"] = text
    if rng.random() < 0.3:
        response["expires"] = rng.choice(["0", "nonsense", formatdate(NOW + rng.choice([-100, 0, 50, 5000]), usegmt=True)])
    if rng.random() < 0.3:
        response["date"] = formatdate(NOW + rng.choice([0, 0, 20]), usegmt=True)
    if rng.random() < 0.3:
        response["last-modified"] = formatdate(NOW - rng.choice([10, 100, 1000, 100000]), usegmt=True)
    if rng.random() < 0.2:
        response["age"] = str(rng.choice(SECONDS))
    if rng.random() < 0.1:
        response["pragma"] = "no-cache"
    if text := directives(rng, ["no-cache", "max-age=N", "min-fresh=N", rng.choice(["max-stale=13", "max-stale=2000", "max-stale"]), "foo"], 2):
        again["cache-control"] = text
    elif rng.random() < 0.1:
        again["pragma"] = "no-cache"
    return {"method": rng.choice(["GET"] * 9 + ["PUT"]), "request": request, "response": response, "again": again,
            "status": rng.choice([200] * 6 + [203, 204, 301, 302, 307, 308, 404, 410, 501, 206, 201, 299]),
            "resident": rng.choice(SECONDS)}


def words(headers):
    return {w.split("=")[0].strip() for w in headers.get("cache-control", "").split(",")}


def differs_on_purpose(c, what):
    said = words(c["response"])
    if what == "stored":
        # it refuses every status that it does not know; the RFC asks that only of must-understand
        return c["status"] in (201, 299)
    if what == "lifetime":
        # proxy-revalidate is about stale answers (RFC 9111 5.2.2.8), there it is an end to fresh ones; and it guesses for statuses that the
        # RFC does not name, and rounds up
        return "proxy-revalidate" in said
    # reuse: must-revalidate, too, is about stale answers only (5.2.2.2); there it is about all. no-cache answers and s-maxage are not
    # for max-stale (5.2.2.4, 5.2.2.10). Nor is a bound of
    # max-stale reached exactly here: "no more than" (5.2.1.2) has it in, there it is out. Directives stand once: of two, the RFC lets either count.
    return ("must-revalidate" in said or "proxy-revalidate" in said or "s-maxage" in said
            or "no-cache" in said or "pragma" in c["response"])


def ours(cases):
    def fields(headers):
        return "|".join(f"{k}: {v}" for k, v in headers.items())
    lines = "".join("\t".join([c["method"], str(c["status"]), fields(c["request"]), fields(c["response"]), fields(c["again"]),
                               str(c["resident"])]) + "\n" for c in cases)
    done = subprocess.run([BUILD / "tests/it/handlers/http_rules"], input=lines, capture_output=True, text=True, timeout=120, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_the_rules_agree():
    rng = random.Random(20261124)
    cases = [case(rng) for _ in range(CASES)]
    theirs = json.loads(run_script(SOURCE / "oracle.js", json.dumps(cases)))
    compared, wrong = {"stored": 0, "lifetime": 0, "reuse": 0}, []
    for c, a, b in zip(cases, ours(cases), theirs, strict=True):
        def agree(what, x, y):
            if differs_on_purpose(c, what):
                return
            compared[what] += 1
            if x != y:
                wrong.append(f"{what}: {x}, but {y} there: {c}")
        agree("stored", int(a[0]), b[0])
        if a[0] == "0" or not b[0]:
            continue
        # theirs is not whole seconds when it is a tenth of an age
        agree("lifetime", int(a[1]), int(b[1]))
        agree("reuse", a[2], b[2])
    print(compared)
    assert not wrong, f"{len(wrong)} of {compared}:\n" + "\n".join(wrong[:15])
    assert min(compared.values()) > CASES / 10, compared
