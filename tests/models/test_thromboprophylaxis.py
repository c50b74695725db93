"""Whether an anticoagulant is ordered for an inpatient, and what is known to speak against one."""

from typing import Any

import pytest

from models.assessment import Assessed, NotApplicable, NotAssessable
from models.site import Site
from models.thromboprophylaxis import ASSESSOR
from models.thromboprophylaxis.assessor import contraindications
from tests.builders import Resource, a_condition, a_medication, a_patient, a_record, an_encounter, an_observation

STAY = an_encounter("IMP", "2024-05-31T18:00:00Z", id="stay")
BLOOD = "2024-05-31T20:00:00Z"


def assess(*resources: Resource, **record: Any) -> Any:
    return ASSESSOR.assess(a_record(a_patient(), *resources, **record), Site())


def test_nothing_ordered_and_nothing_known_of_bleeding_is_an_answer() -> None:
    found = assess(STAY)
    assert isinstance(found, Assessed)
    assert found.results == {"anticoagulated": False, "contraindications": []}


def test_each_thing_that_speaks_against_it_is_named() -> None:
    found = assess(
        STAY,
        a_medication("854235"),
        an_observation("777-3", 20, "10*3/uL", on=BLOOD),
        an_observation("6301-6", 2.1, "{INR}", on=BLOOD),
        a_condition("K92.2", onset="2024-05-30"),
    )
    assert found.results == {
        "anticoagulated": True,
        "contraindications": ["platelets_10e9_l", "inr", "recent_bleeding"],
    }


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"platelets_10e9_l": 50}, []),
        ({"platelets_10e9_l": 49.9}, ["platelets_10e9_l"]),
        ({"inr": 1.5}, []),
        ({"inr": 1.51}, ["inr"]),
        ({"recent_bleeding": False}, []),
        ({"recent_bleeding": True}, ["recent_bleeding"]),
    ],
)
def test_the_marks_of_bleeding(values: dict[str, Any], named: list[str]) -> None:
    assert contraindications(values) == named


def test_a_draft_counts_as_ordered_and_its_reference_is_the_source() -> None:
    draft = a_medication("854235", id="new", status="draft", authored=None)
    found = assess(STAY, drafts=(draft,))
    assert found.results["anticoagulated"] is True
    assert found.inputs[0].reading.sources == ("MedicationRequest/new",)


def test_who_is_not_admitted_is_not_asked_about() -> None:
    assert assess() == NotApplicable(ASSESSOR.reference, "no inpatient stay goes on or is named")


def test_a_child_is_not_asked_about() -> None:
    found = ASSESSOR.assess(a_record(a_patient(born="2012-01-10"), STAY), Site())
    assert found == NotApplicable(ASSESSOR.reference, "age 12 is under 18")


def test_a_drug_that_is_not_recognised_leaves_it_open() -> None:
    found = assess(STAY, a_medication("99999999"))
    assert isinstance(found, NotAssessable)
    assert [each.name for each in found.missing] == ["anticoagulant"]
