"""Liver at chart opening: FIB-4 where it does not rule advanced fibrosis out, MELD 3.0 in cirrhosis."""

from collections.abc import Sequence
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Moment, Service
from models.assessment import Assessed, Assessment, NotAssessable
from models.features.setting import is_in_acute_care
from models.fib_4.population import AT_RISK, WITHOUT_REASON
from models.meld_3 import MODEL as MELD
from models.meld_3.model import WITHOUT_CIRRHOSIS

STERLING = Source("FIB-4, Sterling 2006", f"https://doi.org/{AT_RISK.parameters.doi}")
KIM = Source("MELD 3.0, Kim 2021", f"https://doi.org/{MELD.parameters.doi}")
FIBROSIS_IN = (
    "To rule advanced fibrosis out in primary care, in people with type 2 diabetes, obesity, fatty liver or an "
    "alcohol-related disorder; not in acute illness, and poor up to 35 years of age. First made in hepatitis C with "
    "HIV (Sterling RK, Hepatology 2006)."
)
_OLDER, _ADULT = AT_RISK.parameters["bands"]  # by age, from the highest on
CUT_OFFS = (
    f"McPherson S, Am J Gastroenterol 2017;112:740: below {_ADULT['low_below']}, from {_OLDER['from_age']} years below "
    f"{_OLDER['low_below']}, advanced fibrosis is unlikely; above {_ADULT['high_above']} it is likely."
)
CIRRHOSIS_IN = (
    "Made in candidates of the US waiting list for a liver, for death within 90 days without one (Kim WR, "
    "Gastroenterology 2021). The score ranks; it is no probability and no listing."
)
BANDS: Final = {
    "indeterminate": (Indicator.INFO, "advanced liver fibrosis not ruled out"),
    "high": (Indicator.WARNING, "advanced liver fibrosis likely"),
}
TESTS: Final = {"ast_u_l": "ast", "alt_u_l": "alt", "platelets_10e9_l": "platelets"}
LOWEST: Final[int] = MELD.parameters["limits"]["at_least"]
REFERRAL: Final = MELD.parameters.by_name["referral"]


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show an index that rules nothing out, the severity of cirrhosis, and what little keeps one from being told."""
    fibrosis, severity = assessments
    return [*_fibrosis_cards(fibrosis, moment), *_severity_cards(severity, moment)]


def _fibrosis_cards(fibrosis: Assessment, moment: Moment) -> Sequence[Card]:
    if is_in_acute_care(moment.record):  # acute illness moves the enzymes: models.md 9.2
        return []
    match fibrosis:
        case Assessed() as assessed if assessed.results.get("band") in BANDS:
            return [_not_ruled_out(assessed, moment)]
        case NotAssessable() as unknown if _is_worth_completing(unknown, scope=WITHOUT_REASON.name):
            return [_index_not_computed(unknown, moment)]
    return []


def _severity_cards(severity: Assessment, moment: Moment) -> Sequence[Card]:
    match severity:
        case Assessed() as assessed if max(_scores(assessed).values(), default=LOWEST) > LOWEST:
            return [_severity(assessed, moment)]
        case NotAssessable() as unknown if _is_worth_completing(unknown, scope=WITHOUT_CIRRHOSIS.name):
            return [_severity_not_computed(unknown, moment)]
    return []


def _is_worth_completing(unknown: NotAssessable, *, scope: str) -> bool:
    """Tell whether the patient is known to be in scope, and more inputs are known than missing."""
    is_in_scope = all(item.name != scope for item in unknown.missing)
    return is_in_scope and say.is_worth_completing(unknown.inputs, unknown.missing)


def _not_ruled_out(assessed: Assessed, moment: Moment) -> Card:
    index, band = assessed.results["index"], assessed.results["band"]
    indicator, words = BANDS[band]
    body = say.detail(
        f"**FIB-4 {index:.2f} ({band})**",
        say.inputs_table(assessed.inputs),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, FIBROSIS_IN, threshold=CUT_OFFS),
    )
    suggestions = [say.order(moment, "liver_elastography", why="FIB-4 does not rule advanced fibrosis out")]
    if band == "high":
        suggestions.append(say.order(moment, "hepatology_referral", why=f"FIB-4 above {_ADULT['high_above']}"))
    return say.card(
        moment,
        f"FIB-4 {index:.2f} ({band}): {words}",
        indicator=indicator,
        source=STERLING,
        body=body,
        suggestions=suggestions,
        unverified=any(assessed.unverified.values()),
    )


def _index_not_computed(unknown: NotAssessable, moment: Moment) -> Card:
    start = "Liver fibrosis (FIB-4) not ruled out, missing: "
    body = say.detail(
        say.inputs_table(unknown.inputs),
        say.notes_list(unknown.notes),
        say.footer(unknown.model, FIBROSIS_IN, threshold=CUT_OFFS),
    )
    orders = [
        say.order(moment, TESTS[item.name], why="Input of FIB-4 is missing or too old")
        for item in unknown.missing
        if item.name in TESTS
    ]
    return say.card(
        moment,
        start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start)),
        indicator=Indicator.INFO,
        source=STERLING,
        body=body,
        suggestions=orders,
    )


def _scores(assessed: Assessed) -> dict[str, int]:
    """Give the score that may be shown, by sex where the chart names neither."""
    by_sex = assessed.alternatives or {"": assessed.results}
    return {sex: results["score"] for sex, results in sorted(by_sex.items()) if "score" in results}


def _severity(assessed: Assessed, moment: Moment) -> Card:
    scores = _scores(assessed)
    said = " or ".join(f"{score} ({sex})" if sex else str(score) for sex, score in scores.items())
    calls_for_referral = _may_refer(moment) and max(scores.values()) >= REFERRAL.value["at_least"]
    body = say.detail(
        f"**MELD 3.0: {said}, of {LOWEST} to {MELD.parameters['limits']['at_most']}**",
        say.inputs_table(assessed.inputs),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, CIRRHOSIS_IN, threshold=_referral_words() if calls_for_referral else ""),
    )
    referral = say.order(moment, "hepatology_referral", why="Severity of cirrhosis (MELD 3.0)")
    return say.card(
        moment,
        f"Cirrhosis: MELD 3.0 = {said}",
        indicator=Indicator.WARNING if calls_for_referral else Indicator.INFO,
        source=KIM,
        body=body,
        suggestions=[referral] if calls_for_referral else [],
        unverified=any(assessed.unverified.values()) or (calls_for_referral and not REFERRAL.label.may_be_live),
    )


def _may_refer(moment: Moment) -> bool:
    """Tell whether the gate lets the user see a threshold that is not verified."""
    return REFERRAL.label.may_be_live or moment.shows_unverified


def _referral_words() -> str:
    return f"Referral from {REFERRAL.value['at_least']} points: {REFERRAL.label}."


def _severity_not_computed(unknown: NotAssessable, moment: Moment) -> Card:
    start = "Cirrhosis: MELD 3.0 not computed, missing: "
    body = say.detail(
        say.inputs_table(unknown.inputs),
        "All five laboratory values have to lie within 48 hours of each other.",
        say.notes_list(unknown.notes),
        say.footer(unknown.model, CIRRHOSIS_IN),
    )
    return say.card(
        moment,
        start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start)),
        indicator=Indicator.INFO,
        source=KIM,
        body=body,
        suggestions=_one_set(moment),
    )


def _one_set(moment: Moment) -> list[Suggestion]:
    """Order all five at once: one alone would be of another day than the rest."""
    why = "MELD 3.0 needs one set of values"
    return [say.order(moment, name, why=why) for name in ("metabolic_panel", "inr")]


SERVICE = Service(
    id="liver-fibrosis",
    hooks=(Hook.PATIENT_VIEW,),
    title="Liver fibrosis and cirrhosis (FIB-4, MELD 3.0)",
    description=(
        "FIB-4 of outpatients with type 2 diabetes, obesity, fatty liver or an alcohol-related disorder, where it does "
        "not rule advanced fibrosis out; MELD 3.0 where cirrhosis is known. Silent where FIB-4 is low."
    ),
    usage_requirements="Needs prefetch or FHIR access to results and problems, body measures included.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(AT_RISK, MELD),
    present=present,
)
