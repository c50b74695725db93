"""The `context` of a request, read into the type of its hook, with the tolerances that real clients need."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from cds_hooks.protocol.hooks import (
    HOOKS,
    AllergyIntoleranceCreateContext,
    AppointmentBookContext,
    Context,
    EncounterContext,
    Hook,
    MedicationContext,
    OrderDispatchContext,
    OrderSelectContext,
    OrderSignContext,
    PatientViewContext,
    ProblemListItemCreateContext,
    Resource,
    UserId,
)
from cds_hooks.protocol.reading import Members, Problems, is_blank
from cds_hooks.protocol.references import (
    participants_named,
    patients_named,
    read_id,
    read_typed_id,
    read_user,
    split_reference,
)

_ALLERGIES = frozenset({"AllergyIntolerance"})
_MEDICATION_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})  # the latter is DSTU2's name


def read_context(hook: Hook, members: Members) -> Context:
    """The context of a hook; what is wrong with it goes to the members' problems."""
    return _READERS[hook](_Reader.of(hook, members))


@dataclass(frozen=True, slots=True)
class _Reader:
    """The members of a context beside what most hooks share, already read."""

    hook: Hook
    members: Members
    patient_id: str

    @classmethod
    def of(cls, hook: Hook, members: Members) -> "_Reader":
        text = members.text("patientId")
        place = members.at("patientId")
        patient_id = read_id(text, "Patient", place=place, problems=members.problems) if text else ""
        return cls(hook, members, patient_id)

    @property
    def problems(self) -> Problems:
        return self.members.problems

    def user(self) -> UserId | None:
        return self._user(self.members.text("userId"))

    def optional_user(self) -> UserId | None:
        return self._user(self.members.optional_text("userId"))

    def _user(self, text: str | None) -> UserId | None:
        users = HOOKS[self.hook].users
        place = self.members.at("userId")
        return read_user(text, users, place=place, problems=self.problems) if text else None

    def encounter_id(self) -> str:
        return self._encounter_id(self.members.text("encounterId")) or ""

    def optional_encounter_id(self) -> str | None:
        return self._encounter_id(self.members.optional_text("encounterId"))

    def _encounter_id(self, text: str | None) -> str | None:
        place = self.members.at("encounterId")
        return read_id(text, "Encounter", place=place, problems=self.problems) if text else None

    def spelling(self, name: str, *older: str) -> str:
        """The name under which a member came: its own, or one that an older version or an example has."""
        if is_blank(self.members.json.get(name)):
            for other in older:
                if not is_blank(self.members.json.get(other)):
                    self.problems.warn("structure", f"is now called {name}", self.members.at(other))
                    return other
        return name

    def bundle(self, name: str) -> tuple[Resource, ...]:
        """The resources of a Bundle."""
        value = self.members.required(name)
        place = self.members.at(name)
        if isinstance(value, dict) and value.get("resourceType", "Bundle") != "Bundle":
            self.problems.breach("structure", "must be a Bundle", place)
        return self._owned(_payload(value, place, self.problems))

    def single(self, name: str, *older: str, expected: frozenset[str]) -> tuple[Resource, ...]:
        """One resource: bare, wrapped as `{"resource": ...}`, or in a Bundle, as published examples have it."""
        name = self.spelling(name, *older)
        value = self.members.required(name)
        found = tuple(_payload(value, self.members.at(name), self.problems))
        for place, resource in found:
            if resource["resourceType"] not in expected:
                self.problems.breach("value", "is not what this hook carries", f"{place}.resourceType")
        return self._owned(iter(found))

    def _owned(self, found: Iterator[tuple[str, Resource]]) -> tuple[Resource, ...]:
        """The resources, after a look at whose they are (REQ-15)."""
        return tuple(self.owned(place, resource) for place, resource in found)

    def owned(self, place: str, resource: Resource) -> Resource:
        """The resource, after a look at whose it is (REQ-15)."""
        if self.patient_id:
            for name, patient in patients_named(resource):
                if patient != self.patient_id:
                    self._another(f"{place}.{name}")
            participants = participants_named(resource)
            # Others may take part; a booking in which the patient does not take part is someone else's.
            if participants and self.patient_id not in participants:
                self._another(f"{place}.participant")
        return resource

    def _another(self, place: str) -> None:
        self.problems.fault("business-rule", "names another patient than context.patientId", place)


def _payload(value: Any, place: str, problems: Problems) -> Iterator[tuple[str, Resource]]:
    """The resources in a Bundle, a `{"resource": ...}` wrapper or a bare resource, each with its place."""
    if value is None:  # missing, and already a fault
        return
    if not isinstance(value, dict):
        problems.fault("structure", "must be a FHIR resource", place)
    elif value.get("resourceType") == "Bundle" or ("resourceType" not in value and "entry" in value):
        yield from _entries(value.get("entry"), f"{place}.entry", problems)
    elif "resourceType" not in value and "resource" in value:
        yield from _resource(value["resource"], f"{place}.resource", problems)
    else:
        yield from _resource(value, place, problems)


def _entries(entries: Any, place: str, problems: Problems) -> Iterator[tuple[str, Resource]]:
    if entries is None:
        return
    if not isinstance(entries, list):
        problems.fault("structure", "must be an array", place)
        return
    for index, entry in enumerate(entries):
        if is_blank(entry):  # HOOK-3
            continue
        if not isinstance(entry, dict):
            problems.fault("structure", "must be an object", f"{place}[{index}]")
        elif not is_blank(entry.get("resource")):
            yield from _resource(entry["resource"], f"{place}[{index}].resource", problems)


def _resource(value: Any, place: str, problems: Problems) -> Iterator[tuple[str, Resource]]:
    if not isinstance(value, dict):
        problems.fault("structure", "must be a FHIR resource", place)
        return
    resource_type = value.get("resourceType")
    if is_blank(resource_type):
        problems.fault("required", "a resource must say its type", f"{place}.resourceType")
    elif not isinstance(resource_type, str):
        problems.fault("structure", "must be a string", f"{place}.resourceType")
    else:
        yield place, value


def _strings(reader: _Reader, name: str) -> list[tuple[str, str]]:
    """The strings of a required array, each with its place."""
    value = reader.members.required(name)
    place = reader.members.at(name)
    if value is None:
        return []
    if isinstance(value, str):
        reader.problems.breach("structure", "must be an array", place)
        return [(place, value)]
    if not isinstance(value, list):
        reader.problems.fault("structure", "must be an array", place)
        return []
    for index, each in enumerate(value):
        if not isinstance(each, str):
            reader.problems.fault("structure", "must be a string", f"{place}[{index}]")
    return [(f"{place}[{index}]", each) for index, each in enumerate(value) if isinstance(each, str)]


def _patient_view(reader: _Reader) -> PatientViewContext:
    return PatientViewContext(reader.user(), reader.patient_id, reader.optional_encounter_id())


def _encounter(reader: _Reader) -> EncounterContext:
    return EncounterContext(reader.user(), reader.patient_id, reader.encounter_id())


def _order_select(reader: _Reader) -> OrderSelectContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    selections = _strings(reader, "selections")
    drafts = reader.bundle("draftOrders")
    selected = tuple(_selected(selections, drafts, reader.problems))
    return OrderSelectContext(
        user, reader.patient_id, encounter_id, tuple(text for _, text in selections), drafts, selected
    )


def _selected(
    selections: list[tuple[str, str]], drafts: tuple[Resource, ...], problems: Problems
) -> Iterator[Resource]:
    """The drafts that were selected, by type and id; by a bare id if only one draft has it (OSEL-3)."""
    taken: set[int] = set()
    for place, text in selections:
        parts = split_reference(text)
        if parts is None:
            problems.breach("value", "must be Type/id", place)
            found = [draft for draft in drafts if draft.get("id") == text]
        else:
            found = [draft for draft in drafts if (draft["resourceType"], draft.get("id")) == parts]
        if len(found) != 1:
            problems.breach("not-found", "is not one of the draft orders", place)
        elif id(found[0]) not in taken:
            taken.add(id(found[0]))
            yield found[0]


def _orders(name: str, reader: _Reader) -> OrderSignContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    return OrderSignContext(user, reader.patient_id, encounter_id, reader.bundle(name))


def _order_dispatch(reader: _Reader) -> OrderDispatchContext:
    found = _strings(reader, reader.spelling("dispatchedOrders", "order"))
    parts = [read_typed_id(text, place=place, problems=reader.problems) for place, text in found]
    orders = tuple("/".join(each) for each in parts if each is not None)
    text = reader.members.optional_text("performer")  # a later model lets it be absent (ODIS-3)
    place = reader.members.at("performer")
    performer = read_typed_id(text, place=place, problems=reader.problems) if text else None
    return OrderDispatchContext(
        reader.patient_id, orders, "/".join(performer) if performer else None, tuple(_tasks(reader, orders))
    )


def _tasks(reader: _Reader, orders: tuple[str, ...]) -> Iterator[Resource]:
    """The Tasks for the dispatched orders; 1.0 had a single one, an example spells the name with a hyphen."""
    name = reader.spelling("fulfillmentTasks", "fulfillment-tasks", "task")
    value = reader.members.given(name)
    if value is None:
        return
    place = reader.members.at(name)
    if isinstance(value, dict):
        value, places = [value], [place]
    elif isinstance(value, list):
        places = [f"{place}[{index}]" for index in range(len(value))]
    else:
        reader.problems.fault("structure", "must be an array", place)
        return
    for at, task in zip(places, value, strict=True):
        if isinstance(task, str):  # one model types them as references; there is nothing to read in them
            reader.problems.warn("structure", "a Task given by reference is ignored", at)
            continue
        for where, resource in _resource(task, at, reader.problems):
            if orders and not _points_at(resource, orders):
                reader.problems.warn("invariant", "a Task that is not for a dispatched order is ignored", where)
            else:
                yield reader.owned(where, resource)


def _points_at(task: Resource, orders: tuple[str, ...]) -> bool:
    based_on = task.get("basedOn")
    references = [task.get("focus"), *(based_on if isinstance(based_on, list) else [based_on])]
    texts = (each.get("reference") for each in references if isinstance(each, dict))
    parts = (split_reference(text) for text in texts if isinstance(text, str))
    return any("/".join(each) in orders for each in parts if each is not None)


def _appointment_book(reader: _Reader) -> AppointmentBookContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    return AppointmentBookContext(user, reader.patient_id, encounter_id, reader.bundle("appointments"))


def _medication_refill(reader: _Reader) -> MedicationContext:
    user, encounter_id = reader.optional_user(), reader.optional_encounter_id()
    return MedicationContext(user, reader.patient_id, encounter_id, reader.bundle("medications"))


def _medication_verify(reader: _Reader) -> MedicationContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    medication = reader.single("medication", "order", expected=_MEDICATION_ORDERS)
    return MedicationContext(user, reader.patient_id, encounter_id, medication)


def _allergyintolerance_create(reader: _Reader) -> AllergyIntoleranceCreateContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    entry = reader.single("allergyIntolerance", "allergyIntolerances", expected=_ALLERGIES)
    return AllergyIntoleranceCreateContext(user, reader.patient_id, encounter_id, entry)


def _problem_list_item_create(reader: _Reader) -> ProblemListItemCreateContext:
    user, encounter_id = reader.user(), reader.optional_encounter_id()
    return ProblemListItemCreateContext(user, reader.patient_id, encounter_id, reader.bundle("conditions"))


_Read: TypeAlias = Callable[[_Reader], Context]
_READERS: Mapping[Hook, _Read] = MappingProxyType(
    {
        Hook.PATIENT_VIEW: _patient_view,
        Hook.ORDER_SELECT: _order_select,
        Hook.ORDER_SIGN: partial(_orders, "draftOrders"),
        Hook.ORDER_DISPATCH: _order_dispatch,
        Hook.APPOINTMENT_BOOK: _appointment_book,
        Hook.ENCOUNTER_START: _encounter,
        Hook.ENCOUNTER_DISCHARGE: _encounter,
        Hook.MEDICATION_REFILL: _medication_refill,
        Hook.ALLERGYINTOLERANCE_CREATE: _allergyintolerance_create,
        Hook.PROBLEM_LIST_ITEM_CREATE: _problem_list_item_create,
        Hook.MEDICATION_VERIFY: _medication_verify,
        Hook.MEDICATION_PRESCRIBE: partial(_orders, "medications"),
        Hook.ORDER_REVIEW: partial(_orders, "orders"),
    }
)
