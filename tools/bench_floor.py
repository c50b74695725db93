"""The floor of a hook call: a bare Flask route that parses the body with orjson and answers 1.5 KB."""

import gc

import orjson
from flask import Flask, Response, request

app = Flask(__name__)
_ANSWER = orjson.dumps({"cards": [{"summary": "x" * 100, "detail": "x" * 1350}]})


@app.route("/floor", methods=["GET", "POST"])
def floor() -> Response:
    """Parse, answer."""
    if request.method == "POST":
        orjson.loads(request.get_data(cache=False))
    return Response(_ANSWER, mimetype="application/json")


# The service tunes the collector after start-up; a fair floor does the same (design/costs.md, section 1).
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
