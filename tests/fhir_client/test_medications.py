import pytest

from fhir_client.codes import LOINC, RXNORM, Code
from fhir_client.medications import crosswalk, ingredient_names, ingredients, unverified_ingredients
from tests.builders import Resource, a_medication, a_record

ATORVASTATIN, LISINOPRIL, HYDROCHLOROTHIAZIDE = "83367", "29046", "5487"


def rx(*codes: str) -> list[Code]:
    return [Code(RXNORM, code) for code in codes]


def concept(code: str) -> Resource:
    return {"coding": [{"system": RXNORM, "code": code}]}


def test_an_ingredient_that_resolves_has_a_name_for_a_reader() -> None:
    names = ingredient_names()
    assert (names[ATORVASTATIN], names["161"]) == ("atorvastatin", "acetaminophen")
    assert {code for codes in crosswalk().values() for code in codes} <= names.keys()


def by_reference(pointer: str, **more: object) -> Resource:
    order = a_medication("1", medicationReference={"reference": pointer, "display": "a tablet"}, **more)  # type: ignore[arg-type]
    del order["medicationCodeableConcept"]
    return order


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("617311", frozenset({ATORVASTATIN})),  # atorvastatin 40 MG Oral Tablet
        (ATORVASTATIN, frozenset({ATORVASTATIN})),
        ("314076", frozenset({LISINOPRIL})),  # lisinopril 10 MG Oral Tablet
        ("857005", frozenset({"161", "5489"})),  # acetaminophen 325 MG / hydrocodone bitartrate 7.5 MG Oral Tablet
        ("0", None),
        ("", None),
    ],
)
def test_a_product_stands_for_its_ingredients(code: str, expected: frozenset[str] | None) -> None:
    assert ingredients(rx(code)) == expected


def test_the_first_coding_that_resolves_decides() -> None:
    assert ingredients([Code(LOINC, ATORVASTATIN), *rx("0", ATORVASTATIN)]) == frozenset({ATORVASTATIN})
    assert ingredients([Code(LOINC, ATORVASTATIN)]) is None
    assert ingredients([]) is None


def test_every_ingredient_in_the_table_resolves_to_itself() -> None:
    table = crosswalk()

    assert all(table[code] == {code} for codes in table.values() for code in codes)
    assert len(table) > 38_000


def test_the_codes_that_rest_on_one_source_are_named() -> None:
    """Ten ingredient codes come from secondary lists; those without an independent second source are given."""
    assert dict(unverified_ingredients()) == {"1223": "ONE-SOURCE", "281": "ONE-SOURCE"}
    assert unverified_ingredients().keys() <= crosswalk().keys()


def test_a_drug_may_be_contained_in_its_order() -> None:
    """[FHIR-50] References: contained (`#x`)."""
    drug = {"resourceType": "Medication", "id": "d1", "code": concept("617311")}
    medication = a_record(by_reference("#d1", contained=[drug])).medications[0]

    assert medication.ingredients == frozenset({ATORVASTATIN})
    assert medication.codings == (Code(RXNORM, "617311"),)
    assert medication.text == "a tablet"


@pytest.mark.parametrize(
    "pointer", ["Medication/d1", "https://fhir.example/r4/Medication/d1", "Medication/d1/_history/2"]
)
def test_a_drug_may_be_another_row(pointer: str) -> None:
    """[FHIR-50] References: relative, absolute on the same base, versioned (`/_history/n`)."""
    drug = {"resourceType": "Medication", "id": "d1", "code": concept("617311")}

    assert a_record(by_reference(pointer), drug).medications[0].ingredients == frozenset({ATORVASTATIN})


@pytest.mark.parametrize("pointer", ["Medication/d9", "#d1", "Practitioner/d1", "", "urn:uuid:9"])
def test_a_drug_that_is_not_found_does_not_resolve(pointer: str) -> None:
    drug = {"resourceType": "Medication", "id": "d1", "code": concept("617311")}
    medication = a_record(by_reference(pointer), drug).medications[0]

    assert (medication.ingredients, medication.codings) == (None, ())


def mixture(*parts: Resource) -> Resource:
    return {"resourceType": "Medication", "id": "d1", "code": {"text": "mixed here"}, "ingredient": list(parts)}


@pytest.mark.parametrize("name", ["itemCodeableConcept", "item"])
def test_a_mixture_stands_for_all_its_parts(name: str) -> None:
    parts = [{name: concept(code) if name != "item" else {"concept": concept(code)}} for code in ("314076", "310798")]
    record = a_record(by_reference("Medication/d1"), mixture(*parts))

    assert record.medications[0].ingredients == frozenset({LISINOPRIL, HYDROCHLOROTHIAZIDE})


def test_a_mixture_with_one_unknown_part_does_not_resolve() -> None:
    parts = [{"itemCodeableConcept": concept("314076")}, {"itemCodeableConcept": {"text": "something"}}]

    assert a_record(by_reference("Medication/d1"), mixture(*parts)).medications[0].ingredients is None


def test_a_part_may_be_another_row_and_a_mixture_of_itself_ends() -> None:
    part = {"resourceType": "Medication", "id": "d2", "code": concept("314076")}
    record = a_record(by_reference("Medication/d1"), mixture({"itemReference": {"reference": "Medication/d2"}}), part)
    assert record.medications[0].ingredients == frozenset({LISINOPRIL})

    circle = mixture({"itemReference": {"reference": "Medication/d1"}})
    assert a_record(by_reference("Medication/d1"), circle).medications[0].ingredients is None


def test_a_modified_product_is_not_read() -> None:
    """[FHIR-18] Honour modifierExtension."""
    drug = {"resourceType": "Medication", "id": "d1", "code": concept("617311"), "modifierExtension": [{"url": "x"}]}

    assert a_record(by_reference("#d1", contained=[drug])).medications[0].ingredients is None


# ---- drafts


def drug_row(code: str) -> Resource:
    return {"resourceType": "Medication", "id": "d1", "code": concept(code)}


def test_a_draft_is_not_a_recorded_fact() -> None:
    record = a_record(drafts=(a_medication(ATORVASTATIN, status="draft"),))

    assert record.medications == ()
    assert [(drug.ingredients, drug.is_active) for drug in record.drafted_medications] == [
        (frozenset({ATORVASTATIN}), False)
    ]


@pytest.mark.parametrize(
    ("drafts", "rows", "expected"),
    [
        ((drug_row("314076"),), (drug_row("617311"),), frozenset({LISINOPRIL})),
        ((), (drug_row("617311"),), frozenset({ATORVASTATIN})),
        ((), (), None),
    ],
    ids=["context before prefetch", "prefetch", "nowhere"],
)
def test_what_a_draft_points_at_is_looked_for_in_the_context_then_the_record(
    drafts: tuple[Resource, ...], rows: tuple[Resource, ...], expected: frozenset[str] | None
) -> None:
    """[HOOK-4] Resolve references inside the context Bundle first, then contained, then prefetch."""
    record = a_record(*rows, drafts=(by_reference("Medication/d1", status="draft"), *drafts))

    assert [drug.ingredients for drug in record.drafted_medications] == [expected]


def test_what_a_draft_contains_is_found() -> None:
    """[HOOK-4] Resolve references inside the context Bundle first, then contained, then prefetch."""
    draft = by_reference("#d1", status="draft", contained=[drug_row("314076")])

    assert a_record(drug_row("617311"), drafts=(draft,)).drafted_medications[0].ingredients == frozenset({LISINOPRIL})


def test_a_draft_without_a_drug_does_not_resolve() -> None:
    """The CDS Hooks sandbox sends drafts without a medication."""
    draft = a_medication("1", status="draft")
    del draft["medicationCodeableConcept"]

    assert [(drug.codings, drug.ingredients) for drug in a_record(drafts=(draft,)).drafted_medications] == [((), None)]


def test_the_drafts_that_were_selected_are_asked_about_and_the_others_are_not() -> None:
    """[OSEL-1] Advise on `selections` only; use the other drafts as background."""
    drafts = (a_medication(ATORVASTATIN, id="d1", status="draft"), a_medication(LISINOPRIL, id="d2", status="draft"))
    record = a_record(drafts=drafts, selected=drafts[1:])

    assert [record.is_asked_about(drug) for drug in record.drafted_medications] == [False, True]
    assert all(map(a_record(drafts=drafts).is_asked_about, record.drafted_medications))


def test_a_drafted_test_is_an_order_and_no_recorded_one() -> None:
    draft = {"resourceType": "ServiceRequest", "id": "d1", "status": "draft", "code": {"coding": [{"code": "2160-0"}]}}
    record = a_record(drafts=(draft, a_medication(ATORVASTATIN, id="d2", status="draft")))

    assert record.orders == ()
    assert [order.source.reference for order in record.drafted_orders] == ["ServiceRequest/d1"]


def test_a_mixture_of_more_parts_than_there_are_does_not_resolve() -> None:
    """Ten thousand parts that are ten thousand parts each would never be read to their end."""
    part = {"itemCodeableConcept": {"coding": [{"system": RXNORM, "code": "83367"}]}}
    for count, known in ((100, frozenset({"83367"})), (101, None)):
        record = a_record(by_reference("Medication/d1"), mixture(*[part] * count))
        assert record.medications[0].ingredients == known
