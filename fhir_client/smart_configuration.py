"""What a FHIR server publishes about its authorization server, as far as backend services go by it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import orjson

from fhir_client.addresses import Base
from fhir_client.errors import BadResource, FhirError, Reason
from fhir_client.signing_keys import ALGORITHMS
from fhir_client.transport import Reply


class NotSmart(FhirError):
    """The server cannot be used with backend services; `lacks` says what its configuration does not have."""

    def __init__(self, lacks: Collection[str]) -> None:
        """Name all of it, for whoever connects the server."""
        super().__init__(Reason.NOT_SMART)
        self.lacks = tuple(lacks)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a server's SMART configuration says that we go by."""

    token_endpoint: str
    algorithms: tuple[str, ...] = ALGORITHMS
    version_2: bool = True


def read_configuration(document: Mapping[str, Any], base: Base, configured: str | None) -> Configuration:
    """Read a SMART configuration (FHIR-24).

    Raises:
        NotSmart: it names all that the document lacks.
    """
    endpoint = _resolved(base, document.get("token_endpoint")) or configured
    methods = document.get("token_endpoint_auth_methods_supported")
    capabilities = _texts(document.get("capabilities"))
    listed = document.get("token_endpoint_auth_signing_alg_values_supported")
    algorithms = ALGORITHMS if listed is None else tuple(one for one in ALGORITHMS if one in _texts(listed))
    grants = document.get("grant_types_supported")
    needs = {
        "token_endpoint": endpoint is not None,
        "private_key_jwt in token_endpoint_auth_methods_supported": (
            methods is None or "private_key_jwt" in _texts(methods)
        ),
        "ES384 or RS384 in token_endpoint_auth_signing_alg_values_supported": bool(algorithms),
        "client_credentials in grant_types_supported": grants is None or "client_credentials" in _texts(grants),
        # Older documents list no such capability: what they say of the method counts.
        "client-confidential-asymmetric in capabilities": (
            "client-confidential-asymmetric" in capabilities or "private_key_jwt" in _texts(methods)
        ),
    }
    if endpoint is None or not all(needs.values()):
        raise NotSmart([need for need, is_met in needs.items() if not is_met])
    return Configuration(endpoint, algorithms, version_2="permission-v2" in capabilities)


def _resolved(base: Base, written: object) -> str | None:
    """Give an absolute address: a relative one is meant from the base (FHIR-23); the transport checks it."""
    if not isinstance(written, str) or not written:
        return None
    try:
        return urljoin(f"{base}/", written)
    except ValueError:
        return None


def object_of(reply: Reply) -> Mapping[str, Any]:
    """Read the JSON object of a reply.

    Raises:
        BadResource: it is none.
    """
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise BadResource(Reason.NOT_FHIR) from None
    if not isinstance(document, dict):
        raise BadResource(Reason.NOT_FHIR)
    return document


def _texts(value: object) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
