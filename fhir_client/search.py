"""What to ask about a patient: one declaration gives the prefetch template and our own query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from fhir_client.codes import Code

PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105 - a prefetch token (CDS Hooks, Prefetch tokens), not a secret


@dataclass(frozen=True, slots=True)
class Search:
    """A read of the patient, or a search for one resource type of the patient's.

    `key` is the prefetch key; searches with the same key merge into one query that asks for the codes of all.
    `parameters` are further search parameters, in order, within the common query subset (CDS Hooks, PRE-8).
    """

    key: str
    resource_type: str
    codes: tuple[Code, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def is_read(self) -> bool:
        """Tell whether this reads the patient itself instead of searching."""
        return self.resource_type == "Patient"

    def merged(self, other: "Search") -> "Search":
        """Ask for the codes of both; the two must otherwise be alike.

        Raises:
            ValueError: the searches share a key but not what they ask for.
        """
        alike = (self.key, self.resource_type, self.parameters) == (other.key, other.resource_type, other.parameters)
        if not alike or bool(self.codes) != bool(other.codes):
            message = f"two searches called {self.key!r} ask for different things"
            raise ValueError(message)
        return replace(self, codes=tuple(sorted(set(self.codes) | set(other.codes))))

    def template(self) -> str:
        """Give the prefetch template: relative, with `{{context.patientId}}` for the patient."""
        if self.is_read:
            return f"Patient/{PATIENT_TOKEN}"
        query = "&".join(f"{name}={value}" for name, value in self._parameters(PATIENT_TOKEN))
        return f"{self.resource_type}?{query}"

    def query(self, patient_id: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Give what to ask a server: the path (`Patient/1` or `Observation`) and the unencoded parameters."""
        if self.is_read:
            return f"Patient/{quote(patient_id, safe='')}", ()
        return self.resource_type, self._parameters(patient_id)

    def _parameters(self, patient_id: str) -> tuple[tuple[str, str], ...]:
        code = (("code", ",".join(f"{c.system}|{c.code}" for c in self.codes)),) if self.codes else ()
        return (("patient", patient_id), *code, *self.parameters)


def merge(searches: Iterable[Search]) -> Mapping[str, Search]:
    """Merge searches by key, in order of first appearance: one query a key."""
    merged: dict[str, Search] = {}
    for search in searches:
        merged[search.key] = merged[search.key].merged(search) if search.key in merged else search
    return merged
