"""Where the references in a chart lead."""

from fhir_client.elements import Resource, local_reference
from fhir_client.rows import Rows


class Pointers:
    """What the references in a chart lead to. Knows the rows and not the record: what the record keeps may keep this.

    A record that led back to itself would live on, with the body it was read from, until the collector came by.
    """

    __slots__ = ("_encounters", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._encounters: dict[str | None, str | None] = {}

    def local(self, pointer: str | None, kind: str) -> str | None:
        """Give `Type/id` for a reference of any form; a `urn:uuid:` that no Bundle explains is the id itself."""
        if pointer is None:
            return None
        known = self._rows.known_as(pointer)
        return f"{kind}/{known.removeprefix('urn:uuid:')}" if known.startswith("urn:uuid:") else local_reference(known)

    def encounter(self, pointer: str | None) -> str | None:
        """Give `Encounter/id` for a reference to one."""
        if pointer not in self._encounters:
            self._encounters[pointer] = self.local(pointer, "Encounter")
        return self._encounters[pointer]

    def resolve(self, pointer: str, kind: str = "Medication") -> Resource | None:
        """Give the row that a reference leads to, None where there is none."""
        found, _, id_ = (self.local(pointer, kind) or "").partition("/")
        return self._rows.named(found, id_)
