"""Requests of many users that share connections: does anybody see what is another's?"""

import random
import threading

from .fcgi import Connection

ENDPOINTS = {
    "who": """-- @route GET /who
-- @auth user
-- @param nonce
-- @param n default 1
-- @returns row
SELECT current_setting('request.user', true) AS u, :nonce::text AS nonce, 10 / :n::int AS q""",
    "anon": "-- @route GET /anon\n-- @returns value\nSELECT current_setting('request.user', true) AS u",
}


def mixed_up(listen, clients, requests=150):
    """So many clients ask as hundred users and as nobody, some statements fail: what was not the asker's own answer."""
    wrong = []

    def client(seed):
        rnd = random.Random(seed)
        with Connection(listen, timeout=30) as c:
            for i in range(requests):
                user, nonce, kind = f"u{rnd.randrange(100)}", f"{seed}-{i}", rnd.randrange(10)
                if kind == 0:
                    c.send_request(f"/who?nonce={nonce}&n=0", REMOTE_USER=user)
                    reply = c.read_reply()
                    ok = reply.status == 400
                elif kind == 1:
                    c.send_request("/anon")
                    reply = c.read_reply()
                    ok = reply.body == b'""'
                else:
                    c.send_request(f"/who?nonce={nonce}", REMOTE_USER=user)
                    reply = c.read_reply()
                    ok = reply.status == 200 and reply.json == {"u": user, "nonce": nonce, "q": 10}
                if not ok:
                    wrong.append((user, nonce, kind, reply))
    threads = [threading.Thread(target=client, args=(s,)) for s in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return wrong
