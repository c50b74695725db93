"""The hooks we answer, and each one's typed context.

Resources of a context stay the dictionaries that came in, kept whole and never altered: a suggestion may have to hand
one back. No `repr` shows an id or a resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeAlias

Resource: TypeAlias = Mapping[str, Any]


class Hook(StrEnum):
    """A moment in the clinician's workflow, named by the hook library."""

    PATIENT_VIEW = "patient-view"
    ORDER_SELECT = "order-select"
    ORDER_SIGN = "order-sign"
    ORDER_DISPATCH = "order-dispatch"
    APPOINTMENT_BOOK = "appointment-book"
    ENCOUNTER_START = "encounter-start"
    ENCOUNTER_DISCHARGE = "encounter-discharge"
    MEDICATION_REFILL = "medication-refill"
    ALLERGYINTOLERANCE_CREATE = "allergyintolerance-create"
    PROBLEM_LIST_ITEM_CREATE = "problem-list-item-create"
    MEDICATION_VERIFY = "medication-verify"
    MEDICATION_PRESCRIBE = "medication-prescribe"
    ORDER_REVIEW = "order-review"


_STAFF = frozenset({"Practitioner", "PractitionerRole"})
_ANYONE = _STAFF | {"Patient", "RelatedPerson"}
_IDS = ("userId", "patientId", "encounterId")


@dataclass(frozen=True, slots=True)
class HookDefinition:
    """What the library's metadata table says of a hook.

    `specification` is the least CDS Hooks version it needs (VER-2), `hook_version` the one to advertise, `tokens` the
    context fields a prefetch template may use in every client, `users` whom `userId` may name (nobody: no user).
    """

    specification: str = "1.0"
    hook_version: str | None = "1.0"
    maturity: int = 1
    tokens: tuple[str, ...] = _IDS
    users: frozenset[str] = _STAFF
    deprecated: bool = False


HOOKS: Mapping[Hook, HookDefinition] = MappingProxyType(
    {
        Hook.PATIENT_VIEW: HookDefinition(maturity=5, users=_ANYONE),
        Hook.ORDER_SELECT: HookDefinition(maturity=4),
        Hook.ORDER_SIGN: HookDefinition(maturity=5),
        Hook.ORDER_DISPATCH: HookDefinition(
            specification="2.0",
            hook_version="1.1",
            maturity=0,
            tokens=("patientId", "dispatchedOrders", "performer"),
            users=frozenset(),
        ),
        Hook.APPOINTMENT_BOOK: HookDefinition(users=_ANYONE),
        Hook.ENCOUNTER_START: HookDefinition(),
        Hook.ENCOUNTER_DISCHARGE: HookDefinition(),
        Hook.MEDICATION_REFILL: HookDefinition(specification="2.0", hook_version="0.1.0"),
        # The table says Practitioner alone; PractitionerRole is as good (AIC-2).
        Hook.ALLERGYINTOLERANCE_CREATE: HookDefinition(hook_version="0.1.0"),
        Hook.PROBLEM_LIST_ITEM_CREATE: HookDefinition(hook_version="0.1.0"),
        # Its metadata table and its change log disagree, so no version is advertised (MV-2).
        Hook.MEDICATION_VERIFY: HookDefinition(hook_version=None),
        Hook.MEDICATION_PRESCRIBE: HookDefinition(maturity=2, deprecated=True),
        Hook.ORDER_REVIEW: HookDefinition(maturity=3, deprecated=True),
    }
)


@dataclass(frozen=True, slots=True)
class UserId:
    """Who is looking: `Practitioner/12` and its kind."""

    resource_type: str
    id: str = field(repr=False)

    @property
    def is_patient_or_proxy(self) -> bool:
        """The patient or somebody acting for the patient: no clinician's card by default (PV-2)."""
        return self.resource_type in {"Patient", "RelatedPerson"}

    @property
    def reference(self) -> str:
        """The user as `Type/id`."""
        return f"{self.resource_type}/{self.id}"


class Context(Protocol):
    """What every hook's context answers.

    `user` is None when the hook has none, or when a lenient client named one that cannot be read. `drafts` are the
    FHIR resources the context carries; `selected` those of them that the advice is to be about.
    """

    @property
    def user(self) -> UserId | None: ...  # noqa: D102

    @property
    def patient_id(self) -> str: ...  # noqa: D102

    @property
    def encounter_id(self) -> str | None: ...  # noqa: D102

    @property
    def drafts(self) -> tuple[Resource, ...]: ...  # noqa: D102

    @property
    def selected(self) -> tuple[Resource, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PatientViewContext:
    """A chart was opened; there may be no encounter."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(default=None, repr=False)
    drafts: ClassVar[tuple[Resource, ...]] = ()
    selected: ClassVar[tuple[Resource, ...]] = ()


@dataclass(frozen=True, slots=True)
class EncounterContext:
    """encounter-start and encounter-discharge: an admission, a check-in or a discharge, at any of its moments."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str = field(repr=False)
    drafts: ClassVar[tuple[Resource, ...]] = ()
    selected: ClassVar[tuple[Resource, ...]] = ()


@dataclass(frozen=True, slots=True)
class OrderSelectContext:
    """Orders were chosen: advice is about those, the other drafts are background (OSEL-1)."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    selections: tuple[str, ...] = field(repr=False)
    draft_orders: tuple[Resource, ...] = field(repr=False)
    selected: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """All unsigned orders of the session."""
        return self.draft_orders


@dataclass(frozen=True, slots=True)
class OrderSignContext:
    """Orders are about to be signed, or signed again after a revision: all are in scope, whatever their status.

    The deprecated medication-prescribe and order-review arrive as this, too (OLD-1).
    """

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    draft_orders: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The orders to be signed."""
        return self.draft_orders

    @property
    def selected(self) -> tuple[Resource, ...]:
        """All of them."""
        return self.draft_orders


@dataclass(frozen=True, slots=True)
class OrderDispatchContext:
    """A performer was picked for existing orders. No user and no encounter (ODIS-1).

    The orders are references, in the FHIR server; `fulfillment_tasks` are the Tasks that point at one of them.
    """

    patient_id: str = field(repr=False)
    dispatched_orders: tuple[str, ...] = field(repr=False)
    performer: str | None = field(repr=False)
    fulfillment_tasks: tuple[Resource, ...] = field(repr=False)
    user: ClassVar[UserId | None] = None
    encounter_id: ClassVar[str | None] = None

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The Tasks."""
        return self.fulfillment_tasks

    @property
    def selected(self) -> tuple[Resource, ...]:
        """The Tasks."""
        return self.fulfillment_tasks


@dataclass(frozen=True, slots=True)
class AppointmentBookContext:
    """A booking, before, during or at its end; the patient may be the user."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    appointments: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The Appointments."""
        return self.appointments

    @property
    def selected(self) -> tuple[Resource, ...]:
        """All of them."""
        return self.appointments


@dataclass(frozen=True, slots=True)
class MedicationContext:
    """medication-refill and medication-verify: requests for drugs the patient has or is about to have.

    A refill request may come without a user (MR-1); a verification carries a single signed order.
    """

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    medications: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The requests."""
        return self.medications

    @property
    def selected(self) -> tuple[Resource, ...]:
        """All of them."""
        return self.medications


@dataclass(frozen=True, slots=True)
class AllergyIntoleranceCreateContext:
    """An allergy entry is being finalised: advice can still stop it."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    allergy_intolerances: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The entry; several if an old client sent a Bundle of them."""
        return self.allergy_intolerances

    @property
    def selected(self) -> tuple[Resource, ...]:
        """The entry."""
        return self.allergy_intolerances


@dataclass(frozen=True, slots=True)
class ProblemListItemCreateContext:
    """Problems were added, after the fact: recommend next steps, do not propose to change them (PLC-1)."""

    user: UserId | None
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    conditions: tuple[Resource, ...] = field(repr=False)

    @property
    def drafts(self) -> tuple[Resource, ...]:
        """The new Conditions."""
        return self.conditions

    @property
    def selected(self) -> tuple[Resource, ...]:
        """The new Conditions."""
        return self.conditions
