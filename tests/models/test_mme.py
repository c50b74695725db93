from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from fhir_client.codes import ROUTE, SNOMED_CT
from fhir_client.facts import Source
from fhir_client.record import Availability
from models.assessment import Assessed, Gap, Missing, NotApplicable, NotAssessable, Reading
from models.mme import MODEL
from models.mme.orders import OrderedOpioid, ordered_opioids
from models.plain_values import answer, schema
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record

OXYCODONE = "7804"
FENTANYL = "4337"
FENTANYL_PATCH = "245134"  # 72 HR fentanyl 0.025 MG/HR Transdermal System
BUPRENORPHINE = "1819"
BUPRENORPHINE_NALOXONE = "351266"
PARACETAMOL = "161"


def an_opioid(rxcui: Any, daily_dose: Any, unit: Any = "mg/d") -> dict[str, Any]:
    return {"rxcui": rxcui, "daily_dose": daily_dose, "unit": unit}


def ask(*opioids: Any) -> dict[str, Any]:
    return answer(MODEL, orjson.dumps({"opioids": list(opioids)}))[0]


@pytest.mark.parametrize(
    ("rxcui", "factor"),
    [
        ("2670", 0.15),
        ("5489", 1),
        ("3423", 5),
        ("6813", 4.7),
        ("7052", 1),
        ("7804", 1.5),
        ("7814", 3),
        ("787390", 0.4),
        ("10689", 0.2),
    ],
)
def test_each_opioid_has_the_factor_of_2022(rxcui: str, factor: float) -> None:
    for dose in (1, 7.5, 100):
        assert ask(an_opioid(rxcui, dose))["results"]["mme_per_day"] == pytest.approx(dose * factor, abs=1e-9)


def test_methadone_has_one_factor_whatever_the_dose() -> None:
    assert ask(an_opioid("6813", 100))["results"]["mme_per_day"] == pytest.approx(470)


def test_doses_add_up_and_each_is_told() -> None:
    assert ask(an_opioid(OXYCODONE, 20), an_opioid(OXYCODONE, 10), an_opioid(FENTANYL, 25, "ug/h"))["results"] == {
        "mme_per_day": 105.0,
        "parts": [
            {"rxcui": OXYCODONE, "mme_per_day": 30.0},
            {"rxcui": OXYCODONE, "mme_per_day": 15.0},
            {"rxcui": FENTANYL, "mme_per_day": 60.0},
        ],
        "not_convertible": [],
    }


def test_a_product_is_its_opioid_and_what_is_mixed_in_does_not_matter() -> None:
    assert ask(an_opioid(FENTANYL_PATCH, 25, "ug/h"))["results"]["mme_per_day"] == 60
    mixed = ask(an_opioid(BUPRENORPHINE_NALOXONE, 8), an_opioid(OXYCODONE, 10))
    assert mixed["results"]["not_convertible"] == [BUPRENORPHINE_NALOXONE]


@pytest.mark.parametrize(
    "opioid",
    [
        an_opioid(BUPRENORPHINE, 8),
        an_opioid(BUPRENORPHINE, 20, "ug/h"),
        an_opioid("6378", 4),
        an_opioid("6754", 100),
        an_opioid(FENTANYL, 800, "ug/d"),  # by mouth
        an_opioid(FENTANYL, 0.6, "mg/d"),
        an_opioid("7052", 500, "ug/h"),  # by vein
        an_opioid("999999999", 10),  # a code that resolves to nothing
    ],
)
def test_what_has_no_factor_is_told_and_never_guessed(opioid: dict[str, Any]) -> None:
    assert ask(opioid) == {
        "model": "mme",
        "version": MODEL.version,
        "outcome": "not-assessable",
        "missing": ["opioids"],
    }
    assert ask(opioid, an_opioid(OXYCODONE, 20))["results"] == {
        "mme_per_day": 30.0,
        "parts": [{"rxcui": OXYCODONE, "mme_per_day": 30.0}],
        "not_convertible": [opioid["rxcui"]],
    }


def test_micrograms_a_day_are_converted() -> None:
    assert ask(an_opioid("3423", 16_000, "ug/d"))["results"] == ask(an_opioid("3423", 16))["results"]


def test_a_code_may_be_written_as_a_number() -> None:
    assert ask(an_opioid(7804, 20))["results"] == ask(an_opioid(OXYCODONE, 20))["results"]


@pytest.mark.parametrize(
    ("opioid", "problem"),
    [
        (OXYCODONE, "must be an object with rxcui, daily_dose and unit, and nothing else"),
        ({"rxcui": OXYCODONE, "daily_dose": 20}, "must be an object with rxcui, daily_dose and unit, and nothing else"),
        (an_opioid("oxycodone", 20), "rxcui must be an RxNorm code"),
        (an_opioid(True, 20), "rxcui must be an RxNorm code"),
        (an_opioid(-5, 20), "rxcui must be an RxNorm code"),
        (an_opioid(OXYCODONE, 20, "mg"), "unit must be one of mg/d, ug/h, ug/d"),
        (an_opioid(OXYCODONE, 20, ["mg/d"]), "unit must be one of mg/d, ug/h, ug/d"),
        (an_opioid(OXYCODONE, 0), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, -20), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, 100_001), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, "20"), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, True), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(PARACETAMOL, 20), "rxcui is no opioid"),
    ],
)
def test_an_entry_that_is_none_is_an_error_with_its_number(opioid: Any, problem: str) -> None:
    assert ask(an_opioid(OXYCODONE, 20), opioid)["errors"] == [{"field": "opioids", "problem": f"entry 2: {problem}"}]


def test_the_schema_takes_what_is_taken() -> None:
    validator = Draft202012Validator(schema(MODEL))
    assert validator.is_valid({"opioids": [an_opioid(OXYCODONE, 20), an_opioid(4337, 25, "ug/h")]})
    assert not validator.is_valid({"opioids": [an_opioid(OXYCODONE, 0)]})
    assert not validator.is_valid({"opioids": [an_opioid(OXYCODONE, 20, "mg")]})
    assert not validator.is_valid({})


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def test_orders_alone_give_no_dose() -> None:
    assert isinstance(assess(a_medication(OXYCODONE)), NotAssessable)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("C18.9", "cancer on the problem list"), ("D57.1", "sickle-cell disease"), ("Z51.5", "palliative care")],
)
def test_pain_of_another_kind_is_out_of_scope(code: str, reason: str) -> None:
    assert assess(a_condition(code)) == NotApplicable(MODEL.reference, reason)
    assert isinstance(assess(a_condition("D57.3")), NotAssessable)


# ---- from a chart

TWICE: Resource = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
LOZENGE = "310294"  # fentanyl 1.6 MG Oral Lozenge
MORPHINE_CARTRIDGE = "1731995"  # 1 ML morphine sulfate 10 MG/ML Cartridge
OXYCODONE_TABLET = "1049502"  # 12 HR oxycodone hydrochloride 10 MG Extended Release Oral Tablet


def taken(value: float, unit: str, timing: Resource = TWICE, **more: Any) -> list[Resource]:
    quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
    return [{"doseAndRate": [{"doseQuantity": quantity}], "timing": timing, **more}]


def an_order_of(rxcui: str, value: float = 1, unit: str = "{tbl}", **more: Any) -> Resource:
    instruction = {name: more.pop(name) for name in ("timing", "route", "asNeededBoolean") if name in more}
    return a_medication(rxcui, dosageInstruction=taken(value, unit, **instruction), **more)


def mme(*resources: Resource, drafts: tuple[Resource, ...] = ()) -> Any:
    found = MODEL.assess(a_record(*resources, drafts=drafts), Site())
    return found.results["mme_per_day"] if isinstance(found, Assessed) else found


def test_active_orders_and_drafts_add_up() -> None:
    patch = an_order_of(
        FENTANYL_PATCH, 1, "{patch}", timing={"repeat": {"frequency": 1, "period": 72, "periodUnit": "h"}}
    )

    assert mme(patch) == 60
    assert mme(patch, drafts=(an_order_of(OXYCODONE_TABLET, 2, status="draft"),)) == 120
    assert mme(patch, an_order_of(OXYCODONE_TABLET), an_order_of(OXYCODONE_TABLET)) == 120
    assert mme(patch, an_order_of(OXYCODONE_TABLET, status="stopped")) == 60


def test_what_is_taken_as_needed_counts_at_its_maximum_and_is_told() -> None:
    record = a_record(an_order_of(OXYCODONE_TABLET, id="o1", asNeededBoolean=True))

    assert mme(an_order_of(OXYCODONE_TABLET, asNeededBoolean=True)) == 30
    (opioid,) = ordered_opioids(record, Site())
    assert opioid == OrderedOpioid(Source("MedicationRequest/o1"), False, "2024-03-01", OXYCODONE, True, 20.0, "mg/d")
    assert opioid.name == "oxycodone"


def test_a_draft_takes_the_place_of_the_order_that_it_changes_or_names() -> None:
    old = an_order_of(OXYCODONE_TABLET, id="old")
    changed = an_order_of(OXYCODONE_TABLET, 2, id="old", status="draft")
    renewed = an_order_of(
        OXYCODONE_TABLET,
        2,
        status="draft",
        priorPrescription={"reference": "https://ehr.example/MedicationRequest/old"},
    )

    assert mme(old, drafts=(changed,)) == 60
    assert mme(old, drafts=(renewed,)) == 60
    assert mme(old, drafts=(an_order_of(OXYCODONE_TABLET, 2, status="draft"),)) == 90


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (a_medication(OXYCODONE_TABLET), "the order has no dosage instruction"),
        (a_medication(OXYCODONE_TABLET, dosageInstruction=[{"text": "1 tablet"}]), "the dose is not coded"),
        (an_order_of(OXYCODONE_TABLET, timing={"code": {"text": "at night"}}), "how often is not coded"),
        (an_order_of(OXYCODONE, 1), "the strength of the product is not known"),
        (an_order_of(OXYCODONE, 0.1, "mg/kg"), "the dose goes by body size"),
        (an_order_of(OXYCODONE, 1, "mmol"), "a dose in mmol/d"),
        (an_order_of(LOZENGE), ""),
        (a_medication(MORPHINE_CARTRIDGE), "no factor for the way it is given"),
        (an_order_of(MORPHINE_CARTRIDGE, 1, "mL"), "no factor for the way it is given"),
        (an_order_of("7052", 2, "mg/h"), "no factor for the way it is given"),
        (an_order_of(FENTANYL, 25, "ug/h"), "no factor for the way it is given"),
        (
            an_order_of("7052", 10, "mg", route={"coding": [{"system": SNOMED_CT, "code": "47625008"}]}),
            "no factor for the way it is given",
        ),
    ],
)
def test_an_order_that_does_not_count_is_named_with_the_reason(order: Resource, why: str) -> None:
    found = assess(order, an_order_of("7052", 10, "mg"))
    (first, _) = ordered_opioids(a_record(order, an_order_of("7052", 10, "mg")), Site())

    assert found.results["mme_per_day"] == 20
    assert first.why == why
    assert why in found.inputs[0].reading.note
    assert bool(found.results["not_convertible"]) == (not why)
    assert isinstance(assess(order), NotAssessable)


@pytest.mark.parametrize(
    ("order", "total"),
    [
        (an_order_of("7052", 10, "mg"), 20),
        (an_order_of("7052", 10, "mg", route={"coding": [{"system": SNOMED_CT, "code": "26643006"}]}), 20),
        (an_order_of("7052", 10, "mg", route={"coding": [{"system": ROUTE, "code": "PO"}]}), 20),
        (an_order_of(FENTANYL, 25, "ug/h", route={"coding": [{"system": SNOMED_CT, "code": "45890007"}]}), 60),
        (an_order_of(FENTANYL, 25, "ug/h", route={"coding": [{"system": ROUTE, "code": "TRNSDERM"}]}), 60),
    ],
)
def test_a_dose_of_an_ingredient_counts_by_its_route(order: Resource, total: float) -> None:
    assert mme(order) == total


def test_of_a_combination_the_opioid_counts() -> None:
    assert mme(an_order_of("1049625", 1, "{tbl}")) == 30  # Percocet 10/325


def test_treatment_of_opioid_use_disorder_is_not_counted() -> None:
    disorder, methadone = a_condition("F11.20"), an_order_of("6813", 50, "mg")

    assert mme(methadone) == 470
    assert isinstance(assess(disorder, methadone), NotAssessable)
    found = assess(disorder, methadone, an_order_of("7052", 10, "mg"))
    assert found.results == {"mme_per_day": 20, "parts": [{"rxcui": "7052", "mme_per_day": 20}], "not_convertible": []}
    assert found.inputs[0].reading.note == "treatment of opioid use disorder is not counted"


def test_without_an_opioid_there_is_nothing_to_sum() -> None:
    found = assess(an_order_of(PARACETAMOL, 500, "mg"))

    assert isinstance(found, NotAssessable)
    assert found.missing[0].reading == Missing(Gap.NOT_RECORDED, note="no opioid among the orders")


def test_orders_that_were_read_in_part_are_said_to_be() -> None:
    record = a_record(an_order_of(OXYCODONE_TABLET), availability={"medications": Availability.PARTIAL})
    found = MODEL.assess(record, Site())

    assert isinstance(found, Assessed)
    assert isinstance(found.inputs[0].reading, Reading)
    assert "the record system answered only in part" in found.inputs[0].reading.note
    assert isinstance(MODEL.assess(a_record(availability={}), Site()), NotAssessable)


def test_drugs_that_do_not_resolve_are_no_opioids_here() -> None:
    unknown = a_medication("99999999")

    assert mme(unknown, an_order_of(OXYCODONE_TABLET), drafts=(a_medication("99999999", status="draft"),)) == 30


def test_opioids_of_which_none_counts_are_named() -> None:
    found = assess(a_medication(OXYCODONE_TABLET))

    assert isinstance(found, NotAssessable)
    assert found.missing[0].reading == Missing(
        Gap.NOT_RECORDED, note="oxycodone is not counted: the order has no dosage instruction"
    )
    treated = assess(a_condition("F11.20"), an_order_of("6813", 50, "mg"))
    assert treated.missing[0].reading == Missing(
        Gap.NOT_RECORDED, note="treatment of opioid use disorder is not counted"
    )
