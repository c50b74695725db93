"""What a rule about imaging can ask for, and by which name: of the chart, or of the study in the chart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from fhir_client.facts import Order
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from models.assessment import Assessed, Gap, Input, Missing, NotAssessable, Reading
from models.concepts import concept
from models.features.allergies import ANY_REACTION, ReactionKind, allergy_to
from models.features.conditions import DIALYSIS, PREGNANCY
from models.features.demographics import AGE_YEARS, SEX
from models.features.feature import Answer, Feature
from models.features.kidney import EGFR_ML_MIN_1_73M2, EGFR_NEEDS, adult_egfr
from models.features.logic import any_of
from models.features.readers import newest_together, nothing_found
from models.features.searches import laboratory, social_history
from models.features.truths import condition
from models.features.windows import Window
from models.imaging.studies import Study, studies, study_of
from models.kdigo_aki import MODEL as KDIGO_AKI
from models.risk_model import RiskModel
from models.site import Site
from models.wells_pe import MODEL as WELLS
from models.wells_pe.model import known_points

# Reports are asked for by the codes of the studies that rules speak of, and by no others.
REPORTS: Final = Search(
    "imaging-reports",
    "DiagnosticReport",
    tuple(sorted({code for study in studies().values() for code in study.meaning.searched})),
    (("_sort", "-date"), ("_count", "50")),
)
_A_DAY_SECONDS: Final = 86_400
_D_DIMER_HOLDS: Final = Window(hours=72)
_ANSWER_HOLDS: Final = Window(hours=24 * 28)
_NOT_STEADY: Final = "creatinine rises as in acute kidney injury"


@dataclass(frozen=True, slots=True)
class Wish:
    """One draft that was asked about, and the study that it orders."""

    draft: Order
    study: Study

    def at(self, record: PatientRecord) -> datetime:
        """Give when it is to be done: now, unless the order says later."""
        due = self.draft.due
        return record.as_of if due is None or due.start < record.as_of else due.start


@dataclass(frozen=True, slots=True)
class Need:
    """One name: what a reader calls it, its unit, what to ask for, and how it is answered for a study.

    `parts` are what a reader is shown in its place, where it is a sum of several.
    """

    name: str
    label: str
    unit: str
    searches: tuple[Search, ...]
    unverified: tuple[str, ...]
    ask: Callable[[PatientRecord, Site, Wish], Answer]
    parts: Callable[[PatientRecord, Site], tuple[Input, ...]] | None = None

    def as_input(self, answer: Answer) -> Input:
        """Name the answer for a reader."""
        return Input(self.name, self.label, self.unit, answer)


def _of(feature: Feature) -> Need:
    def ask(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001 - every need takes the wish
        return feature.answer(record, site)

    return Need(feature.name, feature.label, feature.unit, feature.searches, feature.unverified, ask)


# ---- the kidney


def _aki_stage(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    return record.once(("imaging aki", site), lambda: _stage(record, site))


def _stage(record: PatientRecord, site: Site) -> Answer:
    match KDIGO_AKI.assess(record, site):
        case Assessed() as assessed if "stage" in assessed.results:
            read = [each.reading for each in assessed.inputs if isinstance(each.reading, Reading)]
            newest = max((each.at for each in read if each.at), key=lambda at: at.start, default=None)
            return Reading(assessed.results["stage"], newest, tuple(s for each in read for s in each.sources))
        case NotAssessable() as unknown if isinstance(unknown.missing[0].reading, Missing):
            return unknown.missing[0].reading
    return Missing(Gap.NOT_RECORDED)


def _egfr(record: PatientRecord, site: Site, wish: Wish) -> Answer:
    """Estimate it unless creatinine rises: then the stage speaks."""
    stage = _aki_stage(record, site, wish)
    if isinstance(stage, Reading) and float(stage.value) >= 1:
        return Missing(Gap.UNSTABLE, stage.at, _NOT_STEADY)
    return adult_egfr(record, site)


def _maintenance_dialysis(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    """Believe it where it is listed: a list that cannot be read does not keep the eGFR from being said."""
    answer = DIALYSIS.answer(record, site)
    return Reading(value=False, note="not found on the problem list") if isinstance(answer, Missing) else answer


# ---- contrast media

_CONTRAST_REACTION: Final = any_of(
    "contrast_reaction",
    "earlier reaction to a contrast medium",
    allergy_to(
        "contrast_allergy",
        "reaction to a contrast medium",
        of="contrast_allergy",
        kinds=ANY_REACTION - {ReactionKind.SIDE_EFFECT},
        kind="",
    ),
    condition("contrast_allergy_status", "reaction to a contrast medium on the problem list", of="contrast_allergy"),
)

# ---- pregnancy

_PREGNANCY_ANSWERS: Final = social_history("pregnancy_status")


def _may_be_pregnant(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    """Tell whether it is a woman, and no answer says that she is not; from which age to which is for the row to say."""
    sex = SEX.answer(record, site)
    if isinstance(sex, Missing):
        return sex
    if sex.value != "female":
        return Reading(value=False)
    status, answers = concept("pregnancy_status"), concept("pregnancy_answers").answers(site)
    found = newest_together(record, status.codes(site), _PREGNANCY_ANSWERS.key, _ANSWER_HOLDS)
    said = set() if isinstance(found, Missing) else {answers.get(code) for each in found for code in each.concepts}
    return Reading(value="not-pregnant" not in said)


# ---- pulmonary embolism


def _wells_points(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    """Give what is known of the total; whom the score is not for has none."""
    items = _wells_items(record, site)
    if not items:
        return Missing(Gap.NOT_RECORDED, note="the score is not made for this patient")
    return Reading(known_points(items), note="two items are for the clinician")


def _wells_items(record: PatientRecord, site: Site) -> tuple[Input, ...]:
    answer = WELLS.assess(record, site)
    return answer.inputs if isinstance(answer, NotAssessable) else ()


def _d_dimer(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    for result in record.observations(concept("d_dimer").codes(site)):
        if result.at is not None and _D_DIMER_HOLDS.includes(result.at, record.as_of):
            return Reading(value=True, at=result.at, sources=(result.source.cited,))
    if record.availability(laboratory("d_dimer").key) is not Availability.COMPLETE:
        return nothing_found(record, laboratory("d_dimer").key)
    return Reading(value=False)


# ---- earlier studies


def _days_since_report(record: PatientRecord, site: Site, wish: Wish) -> Answer:  # noqa: ARG001
    """Count from the newest report that shows what this study would; an order that recurs is meant to."""
    for report in () if wish.draft.recurs else record.reports:
        study = study_of(report.codings)
        if study is not None and report.at is not None and wish.study.is_answered_by(study):
            days = (wish.at(record) - report.at.start).total_seconds() // _A_DAY_SECONDS
            return Reading(days, report.at, (report.source.cited,), note=study.title)
    return nothing_found(record, REPORTS.key)


def _needs() -> tuple[Need, ...]:
    kidney = (*KDIGO_AKI.searches, *(search for each in EGFR_NEEDS for search in each.searches))
    pregnancy = (*SEX.searches, _PREGNANCY_ANSWERS)
    return (
        Need(
            "aki_stage", "stage of acute kidney injury", "", KDIGO_AKI.searches, _doubts(KDIGO_AKI, "stage"), _aki_stage
        ),
        Need("egfr", EGFR_ML_MIN_1_73M2.label, EGFR_ML_MIN_1_73M2.unit, kidney, EGFR_ML_MIN_1_73M2.unverified, _egfr),
        Need("maintenance_dialysis", DIALYSIS.label, "", DIALYSIS.searches, DIALYSIS.unverified, _maintenance_dialysis),
        _of(_CONTRAST_REACTION),
        _of(PREGNANCY),
        _of(AGE_YEARS),
        Need("may_be_pregnant", "female, no answer about pregnancy on record", "", pregnancy, (), _may_be_pregnant),
        Need(
            "wells_points",
            "Wells points in the chart",
            "",
            WELLS.searches,
            _doubts(WELLS, "points"),
            _wells_points,
            _wells_items,
        ),
        Need("d_dimer", "D-dimer in 72 hours", "", (laboratory("d_dimer"),), concept("d_dimer").unverified, _d_dimer),
        Need("days_since_report", "days since an earlier report", "d", (REPORTS,), (), _days_since_report),
    )


def _doubts(model: RiskModel, result: str) -> tuple[str, ...]:
    return tuple(remark for output in model.outputs if output.name == result for remark in output.unverified)


NEEDS: Final[Mapping[str, Need]] = MappingProxyType({each.name: each for each in _needs()})
