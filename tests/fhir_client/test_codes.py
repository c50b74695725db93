import pytest

from fhir_client.codes import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, UCUM, Code, CodeSet, canonical_system, code_of

DIABETES = CodeSet(
    "diabetes",
    "Diabetes",
    codes=frozenset({Code(SNOMED_CT, "44054006")}),
    prefixes=(Code(ICD_10_CM, "E10"), Code(ICD_10_CM, "E11.")),
)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("urn:oid:2.16.840.1.113883.6.96", SNOMED_CT),
        ("http://snomed.info/sct/731000124108", SNOMED_CT),
        ("urn:oid:2.16.840.1.113883.6.90", ICD_10_CM),
        ("http://hl7.org/fhir/sid/icd-10", ICD_10_CM),
        ("urn:oid:2.16.840.1.113883.6.88", RXNORM),
        ("urn:oid:2.16.840.1.113883.6.8", UCUM),
        ("http://loinc.org", LOINC),
        ("https://ehr.example/codes", "https://ehr.example/codes"),
    ],
)
def test_a_code_system_has_one_name_here(sent: str, meant: str) -> None:
    assert canonical_system(sent) == meant
    assert code_of(sent, "1") == Code(meant, "1")


@pytest.mark.parametrize("parts", [(None, "1"), (LOINC, None), (LOINC, ""), (LOINC, 4), (True, "1")])
def test_half_a_coding_is_no_code(parts: tuple[object, object]) -> None:
    assert code_of(*parts) is None


@pytest.mark.parametrize(
    ("code", "belongs"),
    [
        (Code(SNOMED_CT, "44054006"), True),
        (Code(ICD_10_CM, "E10.9"), True),
        (Code(ICD_10_CM, "E109"), True),
        (Code(ICD_10_CM, "E11.65"), True),
        (Code(ICD_10_CM, "E12"), False),
        (Code(SNOMED_CT, "E10.9"), False),
        (Code(LOINC, "44054006"), False),
    ],
)
def test_a_code_belongs_by_itself_or_by_its_beginning(code: Code, *, belongs: bool) -> None:
    assert DIABETES.matches((code,)) is belongs


def test_every_coding_is_looked_at_not_the_first() -> None:
    assert DIABETES.matches((Code("https://ehr.example/codes", "DM"), Code(ICD_10_CM, "E11.9")))


def test_no_match_is_an_answer_only_in_a_system_the_set_knows() -> None:
    assert DIABETES.covers((Code(ICD_10_CM, "I10"),))
    assert not DIABETES.covers((Code("https://ehr.example/codes", "I10"),))
    assert not DIABETES.covers(())


def test_joined_sets_have_the_codes_of_both() -> None:
    both = DIABETES | CodeSet("hypertension", "Hypertension", prefixes=(Code(ICD_10_CM, "I10"),))

    assert both.name == "diabetes"
    assert both.matches((Code(ICD_10_CM, "I10"),))
    assert both.matches((Code(SNOMED_CT, "44054006"),))


def test_sets_with_one_name_and_other_codes_are_not_equal() -> None:
    assert CodeSet("diabetes", "Diabetes") != DIABETES
    assert hash(DIABETES) == hash(CodeSet("diabetes", "Diabetes", DIABETES.codes, DIABETES.prefixes))
