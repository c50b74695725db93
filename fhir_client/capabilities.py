"""What a FHIR server says it can do: its CapabilityStatement, read in the background and kept for hours (FHIR-11).

It is a hint and may lie: what a server then refuses is done without (FHIR-14). It is asked for without a token, which
belongs to a call and ends with it (ACC-9, ACC-10); servers publish their metadata openly.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock, Thread
from types import MappingProxyType
from typing import Final

from fhir_client.elements import Resource, mappings, text_of
from fhir_client.errors import BadResource, FhirError, Reason
from fhir_client.releases import Release, release_of

_PUBLISHED: Final = "http://hl7.org/fhir/SearchParameter/"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_HOUR: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What matters to a client that reads: the release, whether batches are taken, and local search parameter names.

    `names` maps `Type.parameter`, by the name that FHIR gives it, to the name here, where the two differ (FHIR-15).
    """

    release: Release | None = None
    takes_batch: bool = False
    names: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


def read_capabilities(statement: Resource) -> Capabilities:
    """Read a CapabilityStatement (in DSTU2 a Conformance).

    Raises:
        BadResource: it is something else, or of a FHIR version that we do not know (FHIR-10).
    """
    if statement.get("resourceType") not in ("CapabilityStatement", "Conformance"):
        raise BadResource(Reason.NOT_ASKED_FOR)
    version = text_of(statement.get("fhirVersion"))
    release = None if version is None else release_of(version)
    if version is not None and release is None:
        raise BadResource(Reason.VERSION)
    servers = [rest for rest in mappings(statement.get("rest")) if rest.get("mode") == "server"]
    return Capabilities(
        release=release,
        takes_batch=any(_takes_batch(rest) for rest in servers),
        names={name: local for rest in servers for name, local in _names(rest)},
    )


def _takes_batch(rest: Resource) -> bool:
    if rest.get("transactionMode") in ("batch", "both"):  # DSTU2
        return True
    return any(interaction.get("code") == "batch" for interaction in mappings(rest.get("interaction")))


def _names(rest: Resource) -> list[tuple[str, str]]:
    """Give the search parameters that are defined by FHIR and called otherwise here."""
    found: list[tuple[str, str]] = []
    for resource in mappings(rest.get("resource")):
        parameters = [
            (text_of(parameter.get("name")), text_of(parameter.get("definition")))
            for parameter in mappings(resource.get("searchParam"))
        ]
        called = {name for name, _ in parameters}
        for name, definition in parameters:
            # http://hl7.org/fhir/SearchParameter/clinical-patient defines the parameter that FHIR calls `patient`.
            is_published = definition is not None and definition.startswith(_PUBLISHED)
            given = definition.partition("|")[0].rpartition("/")[2].partition("-")[2] if definition else ""
            if name is not None and not name.startswith("_") and is_published and given and given not in called:
                found.append((f"{resource.get('type')}.{given}", name))
    return found


@dataclass(slots=True)
class _Known:
    """What has been learned of one base, and when it is to be looked at again."""

    capabilities: Capabilities | None = None
    refused: Reason | None = None
    until: float = 0.0
    is_learning: bool = False


class Library:
    """The capabilities of the servers that this process has met; nobody ever waits for them.

    `fetch` runs in a thread of its own. What could not be had is asked for again after `retry_seconds`; what was had
    stays in use until something newer is. The servers met last are kept, `size` of them: a caller may make up bases.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        keep_seconds: float = 6 * _HOUR,
        retry_seconds: float = _HOUR / 6,
        size: int = 256,
        threads: int = 4,
    ) -> None:
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._retry_seconds = retry_seconds
        self._size = size
        self._free = threads
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = Lock()

    def of(self, base: str, fetch: Callable[[], Resource]) -> Capabilities | None:
        """Give what is known by now; if it is nothing, or old, have it fetched.

        Raises:
            BadResource: the server has said that it speaks a FHIR version that we do not know.
        """
        known = self._entry(base)
        capabilities, refused = known.capabilities, known.refused
        if self._clock() >= known.until and self._may_learn(known):
            Thread(target=self._learn, args=(known, fetch), name="fhir-metadata", daemon=True).start()
        if refused is not None:
            raise BadResource(refused)
        return capabilities

    def _entry(self, base: str) -> _Known:
        with self._lock:
            known = self._known.setdefault(base, _Known())
            self._known.move_to_end(base)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
            return known

    def _may_learn(self, known: _Known) -> bool:
        with self._lock:
            if known.is_learning or not self._free:
                return False
            known.is_learning = True
            self._free -= 1
            return True

    def _learn(self, known: _Known, fetch: Callable[[], Resource]) -> None:
        refused, pause = None, self._retry_seconds
        try:
            known.capabilities = read_capabilities(fetch())
            pause = self._keep_seconds
        except FhirError as error:
            refused = error.reason if error.reason is Reason.VERSION else None
        finally:
            with self._lock:
                known.refused = refused
                known.until = self._clock() + pause
                known.is_learning = False
                self._free += 1
