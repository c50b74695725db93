"""The id that joins a request, its answer, its log lines and its row in the journal."""

from uuid import uuid4

from flask import g, request

from cds_hooks.journal.logs import uuid_or_none

HEADER = "X-Request-Id"
_SENT = "HTTP_X_REQUEST_ID"  # the same, as WSGI names it: a look-up there costs a fifth of one among the headers


def begin() -> None:
    """Take the caller's id, if it is a UUID and so cannot smuggle anything into a log; else make one."""
    g.correlation = uuid_or_none(request.environ.get(_SENT, "")) or str(uuid4())


def correlation() -> str:
    """Give the id of the request at hand."""
    found: str = g.correlation
    return found
