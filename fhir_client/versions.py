"""Where the FHIR versions differ in the types we read: DSTU2, STU3, R4, R4B and R5 give one answer here (FHIR-16).

A resource does not say its version. So each element is looked for under all its names: no version gives one name two
meanings.
"""

from collections.abc import Mapping
from typing import Any, Final

from fhir_client.codes import Code
from fhir_client.elements import Resource, codings, mapping, mappings, reference, text_of, words
from fhir_client.times import Interval

# An order for a drug, and one for anything else, by the names they have had.
DRUG_ORDERS: Final = ("MedicationRequest", "MedicationOrder")
SERVICE_ORDERS: Final = ("ServiceRequest", "ProcedureRequest", "DiagnosticOrder")

# The states in which an order for a drug asks for nothing any more; `ended` is R5's.
_ORDER_IS_OVER: Final = frozenset({"stopped", "cancelled", "completed", "ended"})
_CONFIRMED: Final = "confirmed"
_DENIED: Final = frozenset({"refuted", "entered-in-error"})
_OVER: Final = frozenset({"inactive", "resolved"})
_ALLERGY_KINDS: Final = "http://hl7.org/fhir/allergy-intolerance-type"
# How the criticality of an allergy was written in DSTU2.
_CRITICALITIES: Final = {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}
_ACTIVE: Final = frozenset({"active", "recurrence", "relapse"})
# R5 renamed the states of an encounter; the words of R4 are used.
_ENCOUNTER_STATES: Final = {"completed": "finished", "discharged": "finished", "on-hold": "onleave"}
# DSTU2 wrote the class as a word of its own.
_DSTU2_CLASSES: Final = {
    "inpatient": "IMP",
    "outpatient": "AMB",
    "ambulatory": "AMB",
    "emergency": "EMER",
    "home": "HH",
    "field": "FLD",
    "daytime": "SS",
    "virtual": "VR",
}


def subject(resource: Resource) -> object:
    """Give the Reference to whom a resource is about; DSTU2 and a few later types call it `patient`."""
    found = resource.get("subject")
    return resource.get("patient") if found is None else found


def concept(value: object) -> Mapping[str, Any]:
    """Give the CodeableConcept, whether it stands alone or inside an R5 CodeableReference."""
    value = mapping(value)
    inside = value.get("concept")
    return inside if isinstance(inside, dict) else value


def pointed_at(value: object) -> str | None:
    """Give the reference, whether it is a Reference or inside an R5 CodeableReference."""
    found = mapping(value).get("reference")
    return text_of(found) if isinstance(found, str) else reference(found)


def medication(resource: Resource) -> tuple[Mapping[str, Any], str | None, str]:
    """Give the drug of an order: its concept, the reference to it, and that reference's display."""
    coded = resource.get("medicationCodeableConcept")
    pointer = resource.get("medicationReference")
    either = resource.get("medication")  # R5
    if either is not None:
        coded = concept(either)
        pointer = mapping(either).get("reference") if pointer is None else pointer
    if pointer is None:
        return mapping(coded), None, ""
    return mapping(coded), pointed_at(pointer), text_of(mapping(pointer).get("display")) or ""


def ingredient(element: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """Give one ingredient of a Medication: its concept and the reference to it."""
    either = element.get("item")  # R5; a Reference in DSTU2
    coded = element.get("itemCodeableConcept")
    pointer = element.get("itemReference")
    return (
        mapping(coded) if coded is not None else mapping(mapping(either).get("concept")),
        pointed_at(pointer if pointer is not None else either),
    )


def observed_at(resource: Resource) -> Interval | None:
    """Give effective[x]: a time, a period, or from the first to the last of several times."""
    moment = resource.get("effectiveDateTime")
    if moment is not None:
        return Interval.parse(moment)
    if resource.get("effectiveInstant") is not None:
        return Interval.parse(resource["effectiveInstant"])
    if resource.get("effectivePeriod") is not None:
        return period(resource["effectivePeriod"])
    events = mapping(resource.get("effectiveTiming")).get("event")
    times = [Interval.parse(event) for event in events] if isinstance(events, list) else []
    spans = [time for time in times if time is not None]
    if not spans or len(spans) < len(times):
        return None
    first, last = min(spans), max(spans)
    return first if first == last else Interval(first.start, last.end, f"{first.text} to {last.text}")


def period(value: object) -> Interval | None:
    """Give a Period."""
    value = mapping(value)
    return Interval.between(value.get("start"), value.get("end"))


def began_at(resource: Resource) -> Interval | None:
    """Give a condition's onset[x], where it is a time or a period."""
    return _time_or_period(resource, "onsetDateTime", "onsetPeriod")


def abated_at(resource: Resource) -> Interval | None:
    """Give a condition's abatement[x], where it is a time or a period."""
    return _time_or_period(resource, "abatementDateTime", "abatementPeriod")


def recorded_at(resource: Resource) -> Interval | None:
    """Give when a condition was written down."""
    return _first_time(resource, "recordedDate", "assertedDate", "dateRecorded")


def authored_at(resource: Resource) -> Interval | None:
    """Give when an order was written."""
    return _first_time(resource, "authoredOn", "dateWritten", "orderedOn")


def due_at(resource: Resource) -> Interval | None:
    """Give when an order is to be done, where it is one time or period; DSTU2 called it scheduled[x]."""
    return _time_or_period(resource, "occurrenceDateTime", "occurrencePeriod") or _time_or_period(
        resource, "scheduledDateTime", "scheduledPeriod"
    )


def recurs(resource: Resource) -> bool:
    """Tell whether an order has a timing: what is to be done by one may be done more than once."""
    return resource.get("occurrenceTiming") is not None or resource.get("scheduledTiming") is not None


def encounter(resource: Resource) -> str | None:
    """Give the reference to the encounter; STU3 called it `context`."""
    found = resource.get("encounter")
    if found is None:
        found = resource.get("context")
    text = found.get("reference") if isinstance(found, dict) else None
    return text if isinstance(text, str) and text else None


def encounter_kind(resource: Resource) -> str | None:
    """Give the ActCode of the class: a word in DSTU2, a Coding to R4B, a list of CodeableConcepts in R5."""
    found = resource.get("class")
    if isinstance(found, str):
        return _DSTU2_CLASSES.get(found)
    for item in mappings(found):
        code = text_of(item.get("code"))
        if code is not None:
            return code
        for coding in mappings(item.get("coding")):
            code = text_of(coding.get("code"))
            if code is not None:
                return code
    return None


def encounter_status(resource: Resource) -> str | None:
    """Give the state, in the words of R4."""
    status = text_of(resource.get("status"))
    return None if status is None else _ENCOUNTER_STATES.get(status, status)


def encounter_period(resource: Resource) -> Interval | None:
    """Give the period, which R5 calls actual."""
    found = resource.get("period")
    return period(resource.get("actualPeriod") if found is None else found)


def encounter_end(resource: Resource) -> object:
    """Give the text of the period's end, as it was sent."""
    found = resource.get("period")
    return mapping(resource.get("actualPeriod") if found is None else found).get("end")


def encounter_reasons(resource: Resource) -> tuple[tuple[Code, ...], tuple[str, ...]]:
    """Give why: the codings, and the references to conditions and the like."""
    if "reason" not in resource and "reasonCode" not in resource and "reasonReference" not in resource:
        return (), ()
    concepts = [*mappings(resource.get("reasonCode"))]  # R4
    pointers = [*mappings(resource.get("reasonReference"))]
    for reason in mappings(resource.get("reason")):
        values = mappings(reason.get("value"))  # R5: each reason has several CodeableReferences
        concepts.extend(values or [reason])  # DSTU2, STU3: a list of CodeableConcepts
        pointers.extend(values)
    codes = [code for item in concepts for code in codings(concept(item))]
    references = [pointed_at(item) for item in pointers]
    return tuple(codes), tuple(item for item in references if item is not None)


def admitted_from(resource: Resource) -> tuple[Code, ...]:
    """Give where the patient came from: inside `hospitalization`, which R5 calls admission."""
    found = resource.get("hospitalization")
    return codings(mapping(resource.get("admission") if found is None else found).get("admitSource"))


def is_active_by_status(resource: Resource) -> bool | None:
    """Tell whether a condition's clinical status is an active one; None where no status can be read.

    A code in DSTU2 and STU3, a CodeableConcept since R4.
    """
    found = resource.get("clinicalStatus")
    if found is None:
        return None
    known = _one_word(found)
    if known is not None:
        return known in _ACTIVE
    several = words(found)
    return bool(several & _ACTIVE) if several else None


def is_confirmed(resource: Resource) -> bool:
    """Tell whether a condition is confirmed, or says nothing of that. What contradicts itself is not confirmed."""
    found = resource.get("verificationStatus")
    if found is None:
        return True
    known = _one_word(found)
    if known is not None:
        return known == _CONFIRMED
    several = words(found)
    return _CONFIRMED in several and not several & _DENIED


def is_plainly_active(resource: Resource, day: str) -> bool | None:
    """Tell of a problem written as nearly all are whether it is active; None of any other: look at each element.

    That is: confirmed, with one clinical status, without an end, begun and recorded before the day. The hot path: a
    chart lists dozens, and looking at each element costs twice as much.
    """
    try:
        [verification], [clinical] = resource["verificationStatus"]["coding"], resource["clinicalStatus"]["coding"]
        if (
            verification["code"] == _CONFIRMED
            and resource["onsetDateTime"] < day
            and resource.get("recordedDate", "") < day
            and "assertedDate" not in resource
            and "dateRecorded" not in resource
            and "abatementDateTime" not in resource
            and "abatementPeriod" not in resource
        ):
            word = clinical["code"]
            return word in _ACTIVE if isinstance(word, str) else None
    except (KeyError, TypeError, ValueError):
        pass
    return None


def is_plain_order(resource: Resource, day: str) -> bool:
    """Tell whether an order is written as nearly all active ones are: for a coded drug, and before the day.

    Of such a one no more needs to be looked at than its codings. The hot path, as in `is_plainly_active`.
    """
    try:
        return (
            resource["status"] == "active"
            and resource["intent"] == "order"
            and resource["authoredOn"] < day
            and "medicationCodeableConcept" in resource
            and "medicationReference" not in resource
            and "medication" not in resource
            and "doNotPerform" not in resource
            and "modifierExtension" not in resource
        )
    except (KeyError, TypeError):
        return False


def _one_word(status: object) -> str | None:
    """Give the word of a status that has one coding, as nearly all have."""
    try:
        sent = status["coding"]  # type: ignore[index]
        word = sent[0]["code"] if len(sent) == 1 else None
    except (KeyError, TypeError):
        return None
    return word if isinstance(word, str) else None


def is_denied_allergy(resource: Resource) -> bool:
    """Tell whether an allergy was refuted or entered in error; DSTU2 said so in its one status."""
    return bool((words(resource.get("verificationStatus")) | words(resource.get("status"))) & _DENIED)


def is_active_allergy(resource: Resource) -> bool:
    """Tell whether an allergy holds: unless it is said to be over, by the clinical status or DSTU2's one status.

    Without any status it holds: whoever warns of allergies must not be silenced by a word that was left out.
    """
    stated = words(resource.get("clinicalStatus")) | words(resource.get("status"))
    return not stated & _OVER or bool(stated & _ACTIVE)


def allergen(resource: Resource) -> Mapping[str, Any]:
    """Give the concept of what an allergy is to, which DSTU2 calls substance."""
    found = resource.get("code")
    return mapping(resource.get("substance") if found is None else found)


def allergy_kind(resource: Resource) -> str | None:
    """Tell an allergy from an intolerance: a code to R4B, a CodeableConcept in R5."""
    found = words(resource.get("type")) & {"allergy", "intolerance"}
    return next(iter(found)) if len(found) == 1 else None


def kind_of_allergy(kind: str, resource: Resource) -> object:
    """Write the kind as the version of the entry has it: what else is an R5 type in it tells, where it has none yet."""
    is_r5 = isinstance(resource.get("type"), dict) or any(
        isinstance(seen.get("concept"), dict)
        for reaction in mappings(resource.get("reaction"))
        for seen in mappings(reaction.get("manifestation"))
    )
    return {"coding": [{"system": _ALLERGY_KINDS, "code": kind}]} if is_r5 else kind


def criticality(resource: Resource) -> str | None:
    """Give how dangerous an allergy is held to be, in the words of R4."""
    found = text_of(resource.get("criticality"))
    return None if found is None else _CRITICALITIES.get(found, found)


def categories(resource: Resource) -> frozenset[str]:
    """Give the categories of an allergy: one code in DSTU2, a list of them since."""
    found = resource.get("category")
    return frozenset(each for each in (found if isinstance(found, list) else [found]) if isinstance(each, str))


def allergy_began_at(resource: Resource) -> Interval | None:
    """Give an allergy's onset[x], where it is a time or a period; DSTU2 had a time only."""
    if "onset" in resource:
        return Interval.parse(resource["onset"])
    return began_at(resource)


def last_occurred_at(resource: Resource) -> Interval | None:
    """Give when a reaction was last seen; DSTU2 misspelt it."""
    return _first_time(resource, "lastOccurrence", "lastOccurence")


def manifestations(reaction: Resource) -> list[Mapping[str, Any]]:
    """Give the concepts of what was seen: CodeableConcepts to R4B, CodeableReferences in R5."""
    return [concept(each) for each in mappings(reaction.get("manifestation"))]


def order_codings(resource: Resource) -> tuple[Code, ...]:
    """Give what an order asks for: a CodeableConcept, an R5 CodeableReference, or the items of DSTU2."""
    found = resource.get("code")
    if found is not None:
        return codings(concept(found))
    return tuple(code for item in mappings(resource.get("item")) for code in codings(item.get("code")))


def is_prohibition(resource: Resource) -> bool:
    """Tell whether an order says not to do something."""
    return resource.get("doNotPerform") not in (None, False)


def is_ended_order(resource: Resource) -> bool:
    """Tell whether an order for a drug is over, or ends one: nothing is to be given by it."""
    return text_of(resource.get("status")) in _ORDER_IS_OVER


def ended_by_words(resource: Resource) -> bool:
    """Tell whether a condition's abatement is stated without a time: as a text, an age, a range, or STU3's truth."""
    return resource.get("abatementBoolean") is True or any(
        resource.get(name) for name in ("abatementString", "abatementAge", "abatementRange")
    )


def _time_or_period(resource: Resource, time: str, span: str) -> Interval | None:
    text = resource.get(time)
    if text is not None:
        return Interval.parse(text)
    return period(resource[span]) if span in resource else None


def _first_time(resource: Resource, *names: str) -> Interval | None:
    for name in names:
        text = resource.get(name)
        if text is not None:
            return Interval.parse(text)
    return None
