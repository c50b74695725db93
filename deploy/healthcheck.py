# ruff: noqa: INP001 - a program by itself: nothing imports it
"""Tells a container runtime whether the service beside it is ready: exit status 0, or 1."""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

PORT = 8000
TIMEOUT_SECONDS = 4.0  # below that of HEALTHCHECK, so that this ends by itself


def is_ready(port: int) -> bool:
    """Ask the service on this port of this machine."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(PORT) else 1)
