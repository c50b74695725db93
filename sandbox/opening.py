"""Opens the EHR on a port: its charts, its keys, the CDS client that signs with them, and its pages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import requests
from flask import Flask

from sandbox.client import CdsClient
from sandbox.hospital import Hospital
from sandbox.keys import Keys
from sandbox.pages.app import create_ehr_app
from sandbox.serving import Serving
from sandbox.signing import Registration, Signer

JWKS_PATH: Final = "/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an EHR signs with, and as whom; without an issuer, as its own address."""

    keys: Keys
    issuer: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class OpenEhr:
    """An EHR that answers, and what it is known by."""

    origin: str
    hospital: Hospital
    client: CdsClient
    signer: Signer


@contextmanager
def open_ehr(
    port: int,
    discovery: str,
    make_hospital: Callable[[str], Hospital],
    identity: Identity,
    clock: Callable[[], datetime],
) -> Iterator[OpenEhr]:
    """Answer on the port (0: any free one) while the block runs; raise PortInUse when it is taken."""
    opened: list[OpenEhr] = []
    with requests.Session() as http:

        def app(origin: str) -> Flask:
            here = make_hospital(origin)
            registration = Registration(identity.issuer or origin, f"{origin}{JWKS_PATH}")
            signer = Signer(identity.keys, registration, clock, tenant=identity.tenant)
            client = CdsClient(discovery, here.charts, here.grants, http=http, sign=signer)
            opened.append(OpenEhr(origin, here, client, signer))
            return create_ehr_app(here, client, clock, signer)

        with Serving(app, port):
            yield opened[0]
