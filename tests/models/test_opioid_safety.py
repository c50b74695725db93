import pytest

from fhir_client.record import PatientRecord
from models.assessment import Findings, NotApplicable
from models.opioid_safety import ASSESSOR
from models.opioid_safety.assessor import OUT_OF_SCOPE, TREATED
from models.order_checks.drugs import drugs
from models.order_checks.engine import TOLERATED
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record

OXYCODONE, METHADONE, LORAZEPAM, METFORMIN, NO_PRODUCT = "7804", "6813", "6470", "6809", "99999999"
RECENTLY = "2024-05-20"


def a_draft(code: str) -> Resource:
    return a_medication(code, status="draft", authored=None)


def found(record: PatientRecord) -> list[str]:
    checked = ASSESSOR.assess(record, Site())
    assert isinstance(checked, Findings)
    return [finding.key for finding in checked.found]


@pytest.mark.parametrize("opioid", sorted(drugs("opioids").codes))
@pytest.mark.parametrize("benzodiazepine", sorted(drugs("benzodiazepines").codes))
def test_every_opioid_with_every_benzodiazepine(opioid: str, benzodiazepine: str) -> None:
    key = f"opioid-benzodiazepine:{opioid}:{benzodiazepine}"

    assert found(a_record(a_medication(opioid, authored=RECENTLY), drafts=(a_draft(benzodiazepine),))) == [key]
    assert found(a_record(a_medication(benzodiazepine, authored=RECENTLY), drafts=(a_draft(opioid),))) == [key]
    assert found(a_record(drafts=(a_draft(opioid), a_draft(benzodiazepine)))) == [key]


@pytest.mark.parametrize("other", [METFORMIN, OXYCODONE, NO_PRODUCT])
def test_an_opioid_with_something_else_is_no_finding(other: str) -> None:
    assert found(a_record(a_medication(other), drafts=(a_draft(OXYCODONE),))) == []


def test_what_is_only_taken_is_no_finding() -> None:
    record = a_record(a_medication(OXYCODONE), a_medication(LORAZEPAM), drafts=(a_draft(METFORMIN),))

    assert found(record) == []
    assert isinstance(ASSESSOR.assess(a_record(a_medication(OXYCODONE)), Site()), NotApplicable)


@pytest.mark.parametrize("status", ["stopped", "completed", "entered-in-error", "on-hold"])
def test_an_order_that_is_over_is_not_taken(status: str) -> None:
    assert found(a_record(a_medication(LORAZEPAM, status=status), drafts=(a_draft(OXYCODONE),))) == []


@pytest.mark.parametrize(
    ("problem", "opioid", "why"),
    [
        ("C18.9", OXYCODONE, OUT_OF_SCOPE),
        ("D57.1", OXYCODONE, OUT_OF_SCOPE),
        ("Z51.5", OXYCODONE, OUT_OF_SCOPE),
        ("F11.20", METHADONE, TREATED),
        ("F11.10", "1819", TREATED),
    ],
)
def test_for_whom_the_advice_is_not_it_is_held_back_and_said_so(problem: str, opioid: str, why: str) -> None:
    checked = ASSESSOR.assess(a_record(a_condition(problem), drafts=(a_draft(opioid), a_draft(LORAZEPAM))), Site())

    assert isinstance(checked, Findings)
    assert checked.found == ()
    assert [(each.key, each.why) for each in checked.held_back] == [
        (f"opioid-benzodiazepine:{opioid}:{LORAZEPAM}", why)
    ]


@pytest.mark.parametrize(("problem", "opioid"), [("F11.20", OXYCODONE), ("D57.3", OXYCODONE), ("I10", METHADONE)])
def test_for_all_others_it_is_found(problem: str, opioid: str) -> None:
    assert len(found(a_record(a_condition(problem), drafts=(a_draft(opioid), a_draft(LORAZEPAM))))) == 1


def test_what_was_taken_together_for_long_is_held_back() -> None:
    taken = (a_medication(OXYCODONE, authored="2023-01-01"), a_medication(LORAZEPAM, authored="2023-01-01"))
    checked = ASSESSOR.assess(a_record(*taken, drafts=(a_draft(OXYCODONE),)), Site())

    assert isinstance(checked, Findings)
    assert [each.why for each in checked.held_back] == [TOLERATED]


def test_it_asks_for_drugs_and_problems() -> None:
    assert {search.key for search in ASSESSOR.searches} == {"patient", "medications", "conditions"}
    assert ASSESSOR.required_keys == frozenset()
