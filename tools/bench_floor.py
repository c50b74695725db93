"""The floors of a hook call: a bare Flask route that parses and answers, and one that also verifies and records.

`/floor` parses the body with orjson and answers 1.5 KB (design/contract.md, section 7). `/safe-floor` does what no
service can do without that knows its callers and forgets nothing: it verifies an ES384 token with a key at hand, and
commits one row of 2 KB to SQLite, durably.
"""

import gc
import os
import sqlite3
import sys
import threading

import jwt
import orjson
from flask import Flask, Response, request

from cds_hooks.web.worker import SWITCH_SECONDS

app = Flask(__name__)
_ANSWER = orjson.dumps({"cards": [{"summary": "x" * 100, "detail": "x" * 1350}]})
_ROW = "x" * 2000
_KEY = jwt.PyJWK(orjson.loads(os.environ["BENCH_FLOOR_KEY"])).key
_held = threading.local()


@app.route("/floor", methods=["GET", "POST"])
def floor() -> Response:
    """Parse, answer."""
    if request.method == "POST":
        orjson.loads(request.get_data(cache=False))
    return Response(_ANSWER, mimetype="application/json")


@app.route("/safe-floor", methods=["POST"])
def safe_floor() -> Response:
    """Verify, parse, commit, answer."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    jwt.decode(token, _KEY, algorithms=["ES384"], audience=request.base_url)
    orjson.loads(request.get_data(cache=False))
    connection = _connection()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO calls (outcome) VALUES (?)", (_ROW,))
    connection.execute("COMMIT")
    return Response(_ANSWER, mimetype="application/json")


def _connection() -> sqlite3.Connection:
    """Give this thread's connection, opened at its first use."""
    if not hasattr(_held, "connection"):
        connection = sqlite3.connect(os.environ["BENCH_FLOOR_DATABASE"], isolation_level=None, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, outcome TEXT)")
        _held.connection = connection
    found: sqlite3.Connection = _held.connection
    return found


# The service tunes the collector after start-up, and the threads' turns; a fair floor does the same.
sys.setswitchinterval(SWITCH_SECONDS)
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
