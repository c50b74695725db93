"""From what was prefetched, and what has to be fetched, to one patient's record; nothing else fetches."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from itertools import islice
from typing import Protocol

from cds_hooks.errors import DataUnavailable, Fault, MalformedRequest
from cds_hooks.protocol.hooks import Context, OrderDispatchContext
from cds_hooks.protocol.requests import HookRequest
from fhir_client.answers import Answer, Remark, missing, prefetched
from fhir_client.bundles import FullUrls, patients_in
from fhir_client.elements import Resource
from fhir_client.errors import Reason
from fhir_client.questions import Continue, Find, Question, Read
from fhir_client.record import Availability, PatientRecord
from fhir_client.references import medications_pointed_at
from fhir_client.search import Search
from fhir_client.versions import DRUG_ORDERS


class FhirAccess(Protocol):
    """One FHIR server, asked within one call: what gathering needs of the client, which it does not know."""

    def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask all at once; every question has its answer when the deadline ends at the latest."""

    def local(self, reference: str) -> str | None:
        """Give `Type/id` of a reference that this server resolves, None of one that leads elsewhere."""


Connect = Callable[[HookRequest], FhirAccess | None]
"""Gives access to the caller's FHIR server for this call, None where there is none."""

MEDICATIONS_READ = 40  # an order list names few drugs by reference; a longer one stays unresolved beyond these
ORDERS_READ = 40  # and a dispatch few orders

_WORDS = "the data are neither supplied nor obtainable"
_CODES = {
    Reason.DENIED: "forbidden",
    Reason.NO_ANSWER: "transient",
    Reason.BUSY: "transient",
    Reason.RESTING: "transient",
}


class Origin(StrEnum):
    """Where the answer to a search came from."""

    PREFETCHED = "prefetched"
    FETCHED = "fetched"
    BOTH = "both"
    NONE = "none"


_ORIGINS = {
    (True, False): Origin.PREFETCHED,
    (False, True): Origin.FETCHED,
    (True, True): Origin.BOTH,
    (False, False): Origin.NONE,
}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The record, and for each prefetch key how far it was answered, where from, and why not further.

    `remarks` are what servers let us know beside answers, for the few keys that have any (FHIR-67).
    """

    record: PatientRecord
    availability: Mapping[str, Availability]
    origins: Mapping[str, Origin]
    reasons: Mapping[str, Reason]
    remarks: Mapping[str, frozenset[Remark]]


def gather(
    searches: Mapping[str, Search],
    request: HookRequest,
    *,
    required: Collection[str],
    connect: Connect,
    as_of: datetime,
) -> Gathered:
    """Take what was prefetched, fetch exactly what is missing, all at once, and make the record of it.

    Prefetch keys that no search asked for are not looked at (PRE-17, REQ-13).

    Raises:
        MalformedRequest: the prefetched Patient is not the patient of the context.
        DataUnavailable: a required key was neither supplied nor obtainable (PRE-27).
    """
    supplied = {key: _supplied(search, request) for key, search in searches.items()}
    _check_patient(searches, supplied, request.context.patient_id)
    questions = {key: question for key, (_, question) in supplied.items() if question is not None}
    client = connect(request) if questions else None
    fetched = _fetched(questions, client)
    answers = {key: _whole(answer, fetched.get(key)) for key, (answer, _) in supplied.items()}
    _check_required(required, answers)
    availability = {key: answer.availability for key, answer in answers.items()}
    reasons = {key: answer.reason for key, answer in answers.items() if answer.reason is not None}

    def access() -> FhirAccess | None:
        return client or connect(request)

    resources = [resource for answer in answers.values() for resource in answer.resources]
    dispatched = _dispatched(request.context, resources, access)
    drug_orders = [*_drug_orders(searches, answers), *dispatched, *request.context.drafts]
    resources += [*dispatched, *_drugs(drug_orders, access)]
    return Gathered(
        record=PatientRecord.from_resources(
            resources,
            patient_id=request.context.patient_id,
            as_of=as_of,
            encounter_id=request.context.encounter_id,
            availability=availability,
            reasons=reasons,
            drafts=request.context.drafts,
            selected=request.context.selected,
            full_urls=FullUrls.of_all([answer.full_urls for answer in answers.values()]),
        ),
        availability=availability,
        origins={key: _origin(answer, fetched.get(key)) for key, (answer, _) in supplied.items()},
        reasons=reasons,
        remarks={key: answer.remarks for key, answer in answers.items() if answer.remarks},
    )


def _supplied(search: Search, request: HookRequest) -> tuple[Answer | None, Question | None]:
    """Give what the CDS client says of one key, and what is still to be asked (CDS Hooks, PRE-20 to PRE-30)."""
    answer = prefetched(request.prefetch[search.key], search.resource_type) if search.key in request.prefetch else None
    if answer is None:
        return None, Find(search, request.context.patient_id)
    return answer, None if answer.next_link is None else Continue(answer.next_link)


def _check_patient(
    searches: Mapping[str, Search], supplied: Mapping[str, tuple[Answer | None, Question | None]], patient_id: str
) -> None:
    """Refuse a Patient who is another (design/contract.md, section 3); rows of another are dropped by the record."""
    for key, search in searches.items():
        answer = supplied[key][0]
        if search.is_read and answer is not None and set(patients_in(answer.resources)) - {patient_id}:
            raise MalformedRequest(
                Fault("business-rule", "is another patient than context.patientId", f"prefetch.{key}")
            )


def _fetched(questions: Mapping[str, Question], client: FhirAccess | None) -> Mapping[str, Answer]:
    if client is None:
        return dict.fromkeys(questions, missing(Reason.NO_ACCESS))
    return client.ask(questions)


def _whole(supplied: Answer | None, fetched: Answer | None) -> Answer:
    """Put a first page and the pages after it together; a key has at least one of the two."""
    return reduce(Answer.joined, (part for part in (supplied, fetched) if part is not None))


def _origin(supplied: Answer | None, fetched: Answer | None) -> Origin:
    """Tell whose answer it is; an answer that nobody could give comes from nowhere."""
    return _ORIGINS[_is_answered(supplied), _is_answered(fetched)]


def _is_answered(part: Answer | None) -> bool:
    return part is not None and part.availability in (Availability.COMPLETE, Availability.PARTIAL)


def _check_required(required: Collection[str], answers: Mapping[str, Answer]) -> None:
    """Refuse to go on without what no assessor can do without; an empty answer is an answer (PRE-28)."""
    faults = [
        Fault(_CODES.get(answer.reason, "incomplete"), f"{_WORDS}: {answer.reason}", f"prefetch.{key}")
        for key, answer in answers.items()
        if key in required and answer.reason is not None and not _is_answered(answer)
    ]
    if faults:
        raise DataUnavailable(*faults)


def _dispatched(
    context: Context, sent: Collection[Resource], connect: Callable[[], FhirAccess | None]
) -> tuple[Resource, ...]:
    """Read the orders that a dispatch names and nobody sent: clients differ in what a list in a token means (ODIS-4).

    An order that cannot be read is not in the record.
    """
    if not isinstance(context, OrderDispatchContext):
        return ()
    known = {f"{resource.get('resourceType')}/{resource.get('id')}" for resource in sent}
    client = connect() if not known.issuperset(context.dispatched_orders) else None
    if client is None:
        return ()
    return _read(client, (order for order in context.dispatched_orders if order not in known), limit=ORDERS_READ)


def _drug_orders(searches: Mapping[str, Search], answers: Mapping[str, Answer]) -> list[Resource]:
    """Give what was found where drug orders were asked for."""
    found = (answer for key, answer in answers.items() if searches[key].resource_type in DRUG_ORDERS)
    return [resource for answer in found for resource in answer.resources]


def _drugs(orders: Collection[Resource], connect: Callable[[], FhirAccess | None]) -> tuple[Resource, ...]:
    """Read the drugs that orders and drafts name by reference; what cannot be read stays unresolved, and says so."""
    wanted = medications_pointed_at(orders)
    client = connect() if wanted else None
    if client is None:
        return ()
    local = (reference for reference in map(client.local, wanted) if reference is not None)
    return _read(client, local, limit=MEDICATIONS_READ)


def _read(client: FhirAccess, references: Iterable[str], *, limit: int) -> tuple[Resource, ...]:
    """Read the first so many, each once and all at the same time; give those that could be read."""
    questions = {reference: Read(reference) for reference in islice(dict.fromkeys(references), limit)}
    return tuple(resource for answer in client.ask(questions).values() for resource in answer.resources)
