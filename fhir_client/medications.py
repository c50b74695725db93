"""Which ingredients a drug code stands for."""

from collections.abc import Iterable

from fhir_client.codes import Code


def ingredients(codings: Iterable[Code]) -> frozenset[str] | None:
    """Give the RxNorm ingredient codes of the first coding that resolves, None if none does."""
    return None
