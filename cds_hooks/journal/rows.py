"""What the record of a call holds: who asked, what was known, what was said of it, what was shown, how long it took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from cds_hooks.invocation import Invocation
from cds_hooks.protocol.cards import Card
from cds_hooks.quiet import findings_of
from fhir_client.times import Interval
from models.assessment import Assessed, Assessment, Findings, HeldBack, Input, NotApplicable, NotAssessable, Reading

LONGEST_TOKEN_ID: Final = 100


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, as far as the journal keeps it; `token_id` is the `jti` of the token that proved it."""

    issuer: str
    tenant: str | None = None
    token_id: str | None = None

    @property
    def token(self) -> str | None:
        """Give the token's id as it is kept: a long one as its digest."""
        token = self.token_id
        if token is None or len(token) <= LONGEST_TOKEN_ID:
            return token
        return f"sha256:{sha256(token.encode(errors='surrogatepass')).hexdigest()}"


def call_row(
    invocation: Invocation, caller: Caller, correlation: str, stages: Mapping[str, int], duration_ms: int
) -> dict[str, Any]:
    """Give the row of a call, all but its number."""
    request, cards = invocation.request, (*invocation.response.cards, *invocation.held_back)
    context = request.context
    return {
        "id": invocation.id,
        "at": invocation.as_of,
        "correlation": correlation,
        "issuer": caller.issuer,
        "tenant": caller.tenant,
        "token": caller.token,
        "user": None if context.user is None else context.user.reference,
        "hook": request.hook.value,
        "hook_instance": request.hook_instance,
        "service": invocation.service.id,
        "state": invocation.state.value,
        "withheld": invocation.withheld,
        "patient": context.patient_id,
        "encounter": context.encounter_id,
        "duration_ms": duration_ms,
        "stages": dict(stages) or None,
        "outcome": _outcome(invocation),
        "details": {card.uuid: card.detail for card in cards if card.detail is not None} or None,
    }


def card_rows(number: int, invocation: Invocation) -> list[dict[str, Any]]:
    """Give the rows of a call's cards, shown or held back."""
    made = [(card, True) for card in invocation.response.cards] + [(card, False) for card in invocation.held_back]
    return [_card_row(invocation, number, place, card, is_shown=shown) for place, (card, shown) in enumerate(made)]


def _card_row(invocation: Invocation, number: int, place: int, card: Card, *, is_shown: bool) -> dict[str, Any]:
    return {
        "uuid": card.uuid,
        "invocation": number,
        "place": place,
        "indicator": card.indicator.value,
        "summary": card.summary,
        "topic": " ".join(findings_of(invocation.service.id, card)),
        "shown": is_shown,
        "suggestions": {suggestion.uuid: suggestion.label for suggestion in card.suggestions},
    }


def _outcome(invocation: Invocation) -> dict[str, Any]:
    dropped = invocation.dropped
    return {
        "assessments": [_assessment(assessment) for assessment in invocation.assessments],
        "availability": {key: value.value for key, value in invocation.availability.items()},
        "origins": {key: value.value for key, value in invocation.origins.items()},
        "reasons": {key: value.value for key, value in invocation.reasons.items()},
        "dropped": {"other_patient": dropped.other_patient, "unreadable": dropped.unreadable},
        "unresolved_drugs": invocation.unresolved_drugs,
        "held_back": _held_back(invocation.quieted),
        "warnings": [asdict(warning) for warning in invocation.request.warnings],
    }


def _assessment(assessment: Assessment) -> dict[str, Any]:
    about = {"model": assessment.model.id, "version": assessment.model.version}
    match assessment:
        case Assessed():
            # Copied: the journal's encoder knows dictionaries, not the views that keep an assessment unchanged.
            results = {"results": dict(assessment.results)}
            if assessment.alternatives:
                results["alternatives"] = {sex: dict(each) for sex, each in assessment.alternatives.items()}
            return {**about, "outcome": "assessed", **results, "inputs": _inputs(assessment.inputs)}
        case NotAssessable():
            missing = {item.name: _gap(item) for item in assessment.missing}
            return {**about, "outcome": "not-assessable", "missing": missing, "inputs": _inputs(assessment.inputs)}
        case NotApplicable():
            return {**about, "outcome": "not-applicable", "reason": assessment.reason}
        case Findings():
            return {**about, "outcome": "checked", **_findings(assessment)}


def _findings(findings: Findings) -> dict[str, Any]:
    """Say what rules found and in which version, what they could not check, and what was held back and why."""
    return {
        "checked": findings.checked,
        "unresolved": findings.unresolved,
        "found": [
            {
                "rule": each.rule.id,
                "version": each.rule.version,
                "key": each.key,
                "tier": each.tier.value,
                "orders": each.orders,
                "inputs": _inputs(each.inputs),
            }
            for each in findings.found
        ],
        "unchecked": [
            {"rule": each.rule.id, "order": each.order, "missing": {item.name: _gap(item) for item in each.missing}}
            for each in findings.unchecked
        ],
        "held_back": _held_back(findings.held_back),
    }


def _held_back(those: Iterable[HeldBack]) -> list[dict[str, str]]:
    return [{"key": each.key, "tier": each.tier.value, "why": each.why} for each in those]


def _inputs(inputs: Sequence[Input]) -> dict[str, Any]:
    return {item.name: _used(item.unit, item.reading) for item in inputs if isinstance(item.reading, Reading)}


def _used(unit: str, reading: Reading) -> dict[str, Any]:
    """Say which value was used, from when, and from which versions of which resources (FHIR-62)."""
    used: dict[str, Any] = {"value": reading.value}
    if unit:
        used["unit"] = unit
    if reading.at is not None:
        used["at"] = _time(reading.at)
    if reading.rows is not None:
        used["rows"] = reading.rows
    if reading.sources:
        used["sources"] = reading.sources
    if reading.note:
        used["note"] = reading.note
    return used


def _time(at: Interval) -> Any:
    """Give the time as the resource had it, or the span where it had none of its own."""
    return at.text or [at.start, at.end]


def _gap(item: Input) -> str | None:
    return None if isinstance(item.reading, Reading) else item.reading.gap.value
