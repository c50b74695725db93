"""Words that every card shares: inputs with dates, what is missing, where it comes from, why one may override."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from cds_hooks.orderables import orderable
from cds_hooks.protocol.cards import Card, Coding, CreateAction, Indicator, SelectionBehavior, Source, Suggestion
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.protocol.references import TYPED_ID, is_plain_id
from cds_hooks.service import Moment
from fhir_client.drafting import service_request
from fhir_client.times import Interval
from models.assessment import Driver, Gap, Input, Missing, ModelReference, Reading, Value

# CARD-2: fewer than 140 characters, with the marks that a site's policy may put before it.
SUMMARY_LIMIT = 139 - len("DEMONSTRATION: PILOT: ")

_REASONS = "urn:chartside:override-reason"
# The first four hold for the quiet rule, the last does not (design/contract.md, section 4, Quiet).
OVERRIDE_REASONS = (
    Coding("aware-will-monitor", _REASONS, "Aware, will monitor"),
    Coding("tolerated", _REASONS, "Tolerated by this patient"),
    Coding("benefit-outweighs", _REASONS, "Benefit outweighs the risk"),
    Coding("not-applicable", _REASONS, "Does not apply to this patient"),
    Coding("data-wrong", _REASONS, "The data shown are wrong"),
)

REASONS_THAT_HOLD = frozenset((reason.system, reason.code) for reason in OVERRIDE_REASONS[:4])

# UCUM is for machines; these are the same units as people write them.
_PRINTED = {
    "mm[Hg]": "mmHg",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "kg/m2": "kg/m²",
    "Cel": "°C",
    "a": "years",
    "{INR}": "",
    "{score}": "",
    "10*9/L": "10⁹/L",
    # ug is misread as mg where it is written by hand, and on the list of abbreviations not to use (ISMP).
    "ug/h": "mcg/h",
}

# How an interval without its other end is written (fhir_client/times.py).
_OPEN = ("since ", "until ")

# What fits beneath a card and is still read.
_LONGEST_SOURCE = 120

JUDGEMENT = "Supports, does not replace, clinical judgement."


def percent(probability: float) -> str:
    """Print a probability (0 to 1) as percent with one decimal."""
    return f"{probability * 100:.1f}%"


def number(value: float) -> str:
    """Print a measured number with at most two decimals and no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def capital(words: str) -> str:
    """Begin with a capital letter; an abbreviation stays as it is (eGFR)."""
    return words if words[1:2].isupper() else words[:1].upper() + words[1:]


def value_with_unit(value: Value, unit: str) -> str:
    """Print a value as people write it; text is made inert, since it may come from the chart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain(value)
    printed = _printed(unit)
    if not printed:
        return number(value)
    return f"{number(value)}{printed}" if printed == "%" else f"{number(value)} {printed}"


@lru_cache(maxsize=256)  # bounded: a unit may come from the chart
def _printed(unit: str) -> str:
    """Give a unit as people write it; one that we do not know is a text from the chart, and made inert."""
    known = _PRINTED.get(unit)
    return plain(unit.replace("[IU]", "IU").replace("[iU]", "IU")) if known is None else known


def day(at: Interval | None) -> str:
    """Print the date of a fact, as precise as it was sent."""
    return plain(_cut(at.text, 10)) if at is not None and at.text else "no date"


def minute(at: Interval | None) -> str:
    """Print date and time of a fact to the minute, for what changes within the day."""
    if at is None or not at.text:
        return "no time"
    return plain(_cut(at.text, 16).replace("T", " "))


def _cut(text: str, length: int) -> str:
    word = next((word for word in _OPEN if text.startswith(word)), "")
    return word + text[len(word) :][:length]


def inputs_table(inputs: Iterable[Input], *, timed: bool = False) -> str:
    """Tabulate every input with value and date, and the ones that are missing with the reason."""
    rows = ["| Input | Value | Date |", "| --- | --- | --- |"]
    for item in inputs:
        when = (minute if timed else day)(item.reading.at) if item.reading.at is not None else ""
        rows.append(f"| {capital(item.label)} | {_cell(item)} | {when} |")
    return "\n".join(rows)


def _cell(item: Input) -> str:
    reading = item.reading
    if isinstance(reading, Missing):
        return f"missing: {reason(reading)}"
    shown = value_with_unit(reading.value, item.unit)
    return f"{shown} ({plain(reading.note)})" if reading.note else shown


def reason(missing: Missing) -> str:
    """Say why an input has no usable value."""
    if missing.note and missing.gap is Gap.UNREADABLE:
        return plain(missing.note)  # how many of how many says it all
    if missing.note and missing.gap is Gap.UNAVAILABLE:
        return f"could not be read: {plain(missing.note)}"
    return f"{missing.gap.value}, {plain(missing.note)}" if missing.note else missing.gap.value


def missing_names(missing: Sequence[Input], *, limit: int) -> str:
    """Name what is missing in at most `limit` characters: as many as fit, then how many more."""
    names = [item.label for item in missing]
    for count in range(len(names), 0, -1):
        rest = len(names) - count
        text = ", ".join(names[:count]) + (f" and {rest} more" if rest else "")
        if len(text) <= limit:
            return text
    return f"{len(names)} inputs"


def drivers_line(drivers: Iterable[Driver]) -> str:
    """Name the inputs that raise an additive model's result most; empty where none does."""
    raising = sorted((driver for driver in drivers if driver.amount > 0), key=lambda driver: -driver.amount)[:3]
    return f"**Raises it most:** {', '.join(driver.label for driver in raising)}." if raising else ""


def notes_list(notes: Iterable[str]) -> str:
    """List notes, one line each; empty without notes."""
    return "\n".join(f"- {capital(plain(note))}" for note in notes)


def source_label(citation: str) -> str:
    """Name what a card goes back to: as many of the works cited as fit, whole ones where one does."""
    works = citation.split("; ")
    fitting = ("; ".join(works[:count]) for count in range(len(works), 1, -1))
    return next((few for few in fitting if len(few) <= _LONGEST_SOURCE), shorten(works[0], _LONGEST_SOURCE))


def read_inputs(inputs: Iterable[Input]) -> tuple[tuple[Input, Reading], ...]:
    """Give the inputs that have a value, each with its reading."""
    return tuple((item, item.reading) for item in inputs if isinstance(item.reading, Reading))


def is_worth_completing(inputs: Iterable[Input], missing: Sequence[Input]) -> bool:
    """Tell whether more inputs are known than missing: a chart with next to nothing in it is no reason for a card."""
    return len(read_inputs(inputs)) > len(missing)


def footer(model: ModelReference, derived_in: str, *, performance: str = "", threshold: str = "") -> str:
    """Close a detail: model, version, whom it was made from, how well it did, the threshold and who set it."""
    lines = [f"Model {model.id} {model.version}. {derived_in}", f"{performance}." if performance else "", threshold]
    lines.append(JUDGEMENT)
    return "\n\n".join(line for line in lines if line)


def detail(*parts: str) -> str:
    """Join the parts of a detail, empty ones left out."""
    return "\n\n".join(part for part in parts if part)


def is_named(order: str) -> bool:
    """Tell whether an action can name a draft: one without an id has no name, and one that FHIR does not allow is none.

    >>> is_named("MedicationRequest/1"), is_named("MedicationRequest"), is_named("MedicationRequest/a b")
    (True, False, False)
    """
    return TYPED_ID.fullmatch(order) is not None and is_plain_id(order.partition("/")[2])


def order(moment: Moment, name: str, *, why: str) -> Suggestion:
    """Suggest to order a test or a referral: one new ServiceRequest, nothing preselected."""
    wanted = orderable(name)
    request = service_request(
        wanted.code,
        wanted.display,
        patient_id=moment.request.context.patient_id,
        encounter_id=moment.request.context.encounter_id,
        reason_text=why,
    )
    words = f"Order: {wanted.display}"
    return Suggestion(words, actions=(CreateAction(words, request),))


def card(
    moment: Moment,
    summary: str,
    *,
    indicator: Indicator,
    source: Source,
    body: str,
    suggestions: Sequence[Suggestion] = (),
    unverified: bool = False,
    findings: Sequence[str] = (),
) -> Card:
    """Build a card with what all of ours have: override reasons and a link to the documentation of its models.

    `findings` name what an override of the card is remembered by; without any it is shown again.
    """
    behavior = SelectionBehavior.ANY if len(suggestions) > 1 else SelectionBehavior.AT_MOST_ONE
    return Card(
        f"PILOT: {summary}" if unverified else summary,
        indicator=indicator,
        source=source,
        detail=body,
        suggestions=tuple(suggestions),
        selection_behavior=behavior if suggestions else None,
        links=(moment.page,),
        override_reasons=OVERRIDE_REASONS,
        findings=tuple(findings),
    )
