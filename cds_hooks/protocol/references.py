"""Ids and references as CDS Hooks writes them: `123`, `Patient/123`, and the tolerated forms around them."""

import re
from collections.abc import Iterator

from cds_hooks.protocol.hooks import Resource, UserId
from cds_hooks.protocol.reading import Problems

# CTX-2: the pattern that the specification publishes (ord-1) does not compile in Python; this is its meaning.
TYPED_ID = re.compile(r"\w+/[\w.-]+", re.ASCII)

# CTX-4 forbids FHIR's limit of 64 characters; this one only keeps a megabyte out of URLs and the journal's columns.
_LONGEST = 1000
_PLAIN = re.compile(rf"[\w.-]{{1,{_LONGEST}}}", re.ASCII)
_TYPE = re.compile(r"[A-Za-z]\w*", re.ASCII)
# Ids go into paths and search values of FHIR requests: a slash, a comma or an ampersand would ask for something else.
_TOLERATED = re.compile(rf"[\w.~:=+@;-]{{1,{_LONGEST}}}", re.ASCII)


def _is_path_step(text: str) -> bool:
    return ".." in text or text == "."


def is_plain_id(text: str) -> bool:
    """Letters, digits, `_`, `-` and `.`, and no step of a path."""
    return _PLAIN.fullmatch(text) is not None and not _is_path_step(text)


def split_reference(text: str) -> tuple[str, str] | None:
    """Type and id of a relative, absolute or versioned reference; None if it cannot be told (urn:uuid:, `#x`, bare)."""
    parts = text.split("/")
    if len(parts) > 3 and parts[-2] == "_history":  # noqa: PLR2004 - Type/id/_history/version
        del parts[-2:]
    if len(parts) < 2:  # noqa: PLR2004 - Type/id
        return None
    resource_type, id = parts[-2:]
    if _TYPE.fullmatch(resource_type) and is_plain_id(id):
        return resource_type, id
    return None


def read_id(text: str, resource_type: str, *, place: str, problems: Problems) -> str:
    """A logical id; a lenient reader strips the type that some clients put before it (CTX-3)."""
    if is_plain_id(text):
        return text
    prefix, _, tail = text.rpartition("/")
    if prefix == resource_type or prefix.endswith(f"/{resource_type}"):
        problems.breach("value", "must be a bare id, without its type", place)
        text = tail
    if _TOLERATED.fullmatch(text) is None or _is_path_step(text):
        problems.fault("value", "is not an id", place)
    elif not is_plain_id(text):
        problems.breach("value", "has characters that ids do not have", place)
    return text


def read_typed_id(text: str, *, place: str, problems: Problems) -> tuple[str, str] | None:
    """`Type/id`. A lenient reader also takes an absolute or versioned reference; what it cannot read is None."""
    parts = split_reference(text)
    if parts is None:
        problems.breach("value", "must be Type/id", place)
    elif TYPED_ID.fullmatch(text) is None:
        problems.breach("value", "must be Type/id, without address or version", place)
    return parts


def read_user(text: str, users: frozenset[str], *, place: str, problems: Problems) -> UserId | None:
    """Who is looking; a lenient reader takes kinds of user that the hook does not list (CTX-1)."""
    parts = read_typed_id(text, place=place, problems=problems)
    if parts is None:
        return None
    if parts[0] not in users:
        problems.breach("value", "names a kind of user that this hook does not have", place)
    return UserId(*parts)


def patients_named(resource: Resource) -> Iterator[tuple[str, str]]:
    """The places where a resource says whose it is, with the patient's id; what cannot be decided is left out."""
    for name in ("subject", "patient", "for"):
        patient = _patient(resource.get(name))
        if patient is not None:
            yield name, patient


def participants_named(resource: Resource) -> frozenset[str]:
    """The patients among the participants of an Appointment."""
    participants = resource.get("participant")
    if not isinstance(participants, list):
        return frozenset()
    actors = (_patient(each.get("actor")) for each in participants if isinstance(each, dict))
    return frozenset(actor for actor in actors if actor is not None)


def _patient(reference: object) -> str | None:
    # Library examples are often invalid FHIR (HOOK-6): a reference may be a bare string.
    text = reference.get("reference") if isinstance(reference, dict) else reference
    parts = split_reference(text) if isinstance(text, str) else None
    return parts[1] if parts is not None and parts[0] == "Patient" else None
