"""The body of a request: read once, in one piece, if it is declared as what we read and no larger than we read."""

from functools import lru_cache

from flask import request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # gunicorn publishes no types
from werkzeug.http import parse_options_header

from cds_hooks.errors import BodyTooLarge, Fault, MalformedRequest, WrongMediaType

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_CUT_OFF = Fault("structure", "the body is cut off, or its chunks are malformed")


def read_body() -> bytes:
    """Read the body if it is declared as plain JSON in UTF-8 and is no larger than the settings allow.

    A body of no declared type is refused, too: a browser may send one to another site without asking it first. It is
    read in one piece from the server: the framework would copy it twice, and cut it off at the limit without a word if
    its length is not declared.

    Raises:
        WrongMediaType, BodyTooLarge, MalformedRequest: there is no body that we read.
    """
    environ = request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
    if not _is_json(environ.get("CONTENT_TYPE", "")) or encoding != "identity":
        raise WrongMediaType
    limit, declared = request.max_content_length or 0, request.content_length
    if declared is None:
        # Chunks; where the server does not tell their end, nothing may be read.
        length = limit + 1 if environ.get("wsgi.input_terminated") else 0
    elif declared > limit:
        raise BodyTooLarge
    else:
        length = declared
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ParseException):
        raise MalformedRequest(_CUT_OFF) from None  # the server's error repeats what was sent
    if len(body) > limit:
        raise BodyTooLarge
    if declared is not None and len(body) < length:
        raise MalformedRequest(_CUT_OFF)
    return body


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    """Tell whether it names plain JSON in UTF-8; remembered, for a client sends the same words with every call."""
    kind, options = parse_options_header(content_type)
    return kind.lower() in _JSON_TYPES and options.get("charset", "utf-8").lower() in {"utf-8", "utf8"}
