"""Thrombosis at admission: Padua high and no anticoagulant ordered, unless bleeding speaks against one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.assessment import Assessed, Assessment, Gap, Input, Missing, NotAssessable, Reading
from models.features.stay import WITHOUT_STAY
from models.features.stays import current_stay
from models.padua import MODEL as PADUA
from models.padua.model import known_parts, known_points, most_points
from models.thromboprophylaxis import ASSESSOR as PROPHYLAXIS
from models.thromboprophylaxis.assessor import BLEEDING, contraindications

SOURCE: Final = Source("Padua, Barbar 2010", f"https://doi.org/{PADUA.parameters.doi}")
HIGH: Final[int] = PADUA.parameters["high_risk"]["at_least"]
HIGHEST: Final[int] = sum(PADUA.parameters["points"].values())
DERIVED_IN: Final = (
    "Made in 1,180 patients of one department of internal medicine, for venous thromboembolism within 90 days (Barbar "
    "S, J Thromb Haemost 2010;8:2450); surgical patients have scores of their own."
)
MARK: Final = f"Barbar 2010: {HIGH} points or more are high risk."
NO_CARD: Final = (
    f"No card is shown with platelets below {PROPHYLAXIS.parameters['platelets_10e9_l']['below']} 10⁹/L, an INR "
    f"above {PROPHYLAXIS.parameters['inr']['above']}, or major bleeding within three months. Not looked for: "
    "heparin-induced thrombocytopenia, a procedure at the spine, kidney function."
)
REVIEW: Final = "Review prophylaxis of thrombosis, with the risk of bleeding"
FINDING: Final = "thrombosis-risk:no-anticoagulant"
NOT_TOLD: Final = "thrombosis-risk:not-told"
PLATELETS: Final = "platelets_10e9_l"
# models.md 10: at order-sign on admission orders. Later ones are signed many times a day.
ADMISSION_ORDERS: Final = timedelta(hours=24)
_NAMES_OF_BLEEDING: Final = frozenset(feature.name for feature in BLEEDING)
# Bed rest and surgery are seldom written down: that they are not found is no reason for a card.
_NOT_WRITTEN: Final = frozenset({Gap.NOT_RECORDED, Gap.TOO_OLD})


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show a high risk without an anticoagulant, or what keeps that from being told; else be silent."""
    padua, prophylaxis = assessments
    if not isinstance(padua, Assessed | NotAssessable) or not _is_at_admission(moment) or not _may_show(moment):
        return []
    is_high = known_points(padua.inputs) >= HIGH
    match prophylaxis:
        case Assessed(results={"anticoagulated": False, "contraindications": []}):
            return [_untreated(padua, prophylaxis, moment)] if is_high else _unread_cards(padua, moment)
        case NotAssessable() if is_high and not _bleeds(prophylaxis):
            return [_prophylaxis_not_known(padua, prophylaxis, moment)]
    return []


def _bleeds(prophylaxis: NotAssessable) -> bool:
    values = {item.name: reading.value for item, reading in say.read_inputs(prophylaxis.inputs)}
    return bool(contraindications(values))


def _is_at_admission(moment: Moment) -> bool:
    if moment.request.hook is Hook.ENCOUNTER_START:
        return True
    stay = current_stay(moment.record)
    admission = None if stay is None else stay.admission
    return admission is not None and moment.record.as_of - admission.start <= ADMISSION_ORDERS


def _may_show(moment: Moment) -> bool:
    """Tell whether the gate lets the user see points of which the pipeline withholds no more than the total."""
    return moment.shows_unverified or not _IS_UNVERIFIED


_IS_UNVERIFIED: Final = any(output.unverified for output in PADUA.outputs)


def _points(padua: Assessed | NotAssessable) -> str:
    least = known_points(padua.inputs)
    return f"Padua {least}" if isinstance(padua, Assessed) else f"Padua at least {least}"


def _counted_line(padua: Assessed | NotAssessable) -> str:
    counted = {name: points for name, points in known_parts(padua.inputs).items() if points}
    return f"Points for: {', '.join(f'{PADUA.by_name[name].label} ({points})' for name, points in counted.items())}."


def _untreated(padua: Assessed | NotAssessable, prophylaxis: Assessed, moment: Moment) -> Card:
    body = say.detail(
        f"**{_points(padua)} of {HIGHEST}: high risk of venous thrombosis. No anticoagulant is ordered.**",
        _counted_line(padua),
        say.inputs_table(padua.inputs),
        _bleeding_part(prophylaxis),
        say.notes_list(padua.notes),
        _footer(padua),
    )
    return say.card(
        moment,
        f"High risk of thrombosis ({_points(padua)}), no anticoagulant ordered",
        # Nothing is ordered yet when an encounter starts; once admission orders are signed without one, it is missed.
        indicator=Indicator.INFO if moment.request.hook is Hook.ENCOUNTER_START else Indicator.WARNING,
        source=SOURCE,
        body=body,
        suggestions=[_review(moment), *_platelets(prophylaxis, moment)],
        unverified=_IS_UNVERIFIED,
        findings=[FINDING],
    )


def _bleeding_part(prophylaxis: Assessed) -> str:
    """Say what was looked at of bleeding, and what was not found."""
    looked_at = [item for item in prophylaxis.inputs if item.name in _NAMES_OF_BLEEDING]
    reference = f"{prophylaxis.model.id} {prophylaxis.model.version}"
    return say.detail(f"**Risk of bleeding** ({reference})", say.inputs_table(looked_at), NO_CARD)


def _footer(padua: Assessed | NotAssessable) -> str:
    return say.footer(padua.model, DERIVED_IN, threshold=MARK)


def _prophylaxis_not_known(padua: Assessed | NotAssessable, prophylaxis: NotAssessable, moment: Moment) -> Card:
    first = prophylaxis.missing[0]
    asked = "inpatient stay" if first.name == WITHOUT_STAY.name else first.label
    why = say.reason(first.reading) if isinstance(first.reading, Missing) else ""
    body = say.detail(
        "Whether an anticoagulant is ordered for an inpatient could not be told. It is not read as no.",
        say.inputs_table((*prophylaxis.missing, *padua.inputs)),
        say.notes_list(padua.notes),
        _footer(padua),
    )
    return say.card(
        moment,
        shorten(f"High risk of thrombosis ({_points(padua)}); {asked} not known: {why}", say.SUMMARY_LIMIT),
        indicator=Indicator.INFO,
        source=SOURCE,
        body=body,
        suggestions=[_review(moment)],
        unverified=_IS_UNVERIFIED,
        findings=[NOT_TOLD],
    )


def _unread_cards(padua: Assessed | NotAssessable, moment: Moment) -> Sequence[Card]:
    """Say that the risk is not known where the chart could not be read and what is missing may decide."""
    missing = padua.missing if isinstance(padua, NotAssessable) else ()
    unread = [item for item in missing if isinstance(item.reading, Missing) and item.reading.gap not in _NOT_WRITTEN]
    if not unread or not _may_decide(padua, unread) or not _is_worth_saying(padua, unread):
        return []
    start = "Risk of thrombosis (Padua) not told, missing: "
    body = say.detail(
        "What could not be read is not read as no.",
        say.inputs_table(padua.inputs),
        say.notes_list(padua.notes),
        _footer(padua),
    )
    return [
        say.card(
            moment,
            start + say.missing_names(unread, limit=say.SUMMARY_LIMIT - len(start)),
            indicator=Indicator.INFO,
            source=SOURCE,
            body=body,
            unverified=_IS_UNVERIFIED,
            findings=[NOT_TOLD],
        )
    ]


def _may_decide(padua: Assessed | NotAssessable, unread: Sequence[Input]) -> bool:
    """Tell whether what could not be read would make the risk high by itself, were it all so."""
    names = {item.name for item in unread}
    return most_points(item for item in padua.inputs if item.name in names or isinstance(item.reading, Reading)) >= HIGH


def _is_worth_saying(padua: Assessed | NotAssessable, unread: Sequence[Input]) -> bool:
    """Tell whether a failure hides it, or little does: a list in words alone is no reason for a card at each stay."""
    failed = any(isinstance(item.reading, Missing) and item.reading.gap is Gap.UNAVAILABLE for item in unread)
    return failed or say.is_worth_completing(padua.inputs, unread)


def _review(moment: Moment) -> Suggestion:
    context = moment.request.context
    resource = task(REVIEW, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(REVIEW, actions=(CreateAction(REVIEW, resource),))


def _platelets(prophylaxis: Assessed, moment: Moment) -> list[Suggestion]:
    is_missing = any(item.name == PLATELETS and isinstance(item.reading, Missing) for item in prophylaxis.inputs)
    return [say.order(moment, "platelets", why="Before an anticoagulant")] if is_missing else []


SERVICE = Service(
    id="thrombosis-risk",
    hooks=(Hook.ENCOUNTER_START, Hook.ORDER_SIGN),
    title="Thrombosis risk of inpatients (Padua)",
    description=(
        "Medical inpatients at high risk of venous thrombosis by what the chart tells of the Padua score, where no "
        "order and no draft is an anticoagulant; at order-sign within a day of admission. Silent where bleeding speaks "
        "against one."
    ),
    usage_requirements="Needs prefetch or FHIR access to encounters, problems and medication orders; results help.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(PADUA, PROPHYLAXIS),
    present=present,
)
