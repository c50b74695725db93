from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_client.units import UnknownUnit, analyte_factors, convert, is_convertible, ratio

NUMBERS = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "source", "target", "analyte", "expected"),
    [
        # clinical/models.md 0.3.1
        (1, "mg/dL", "umol/L", "creatinine", 88.4),
        (1, "mg/dL", "umol/L", "bilirubin", 17.1),
        (100, "mg/dL", "mmol/L", "cholesterol", 2.586),
        (1, "mmol/L", "mg/dL", "glucose", 18.016),
        (1, "mmol/L", "mg/dL", "urea", 2.801),
        (140, "g/L", "g/dL", None, 14),
        (1, "mg/mmol", "mg/g", "albumin_creatinine_ratio", 8.84),
        (48, "mmol/mol", "%", "hba1c", 0.09148 * 48 + 2.152),
        # prefixes, other mass units, and analytes through them
        (0.1, "mmol/L", "mg/dL", "creatinine", 100 / 88.4),
        (10, "mg/L", "umol/L", "creatinine", 88.4),
        (1, "g/mol", "mg/g", "albumin_creatinine_ratio", 8.84),
        (30, "ug/mg", "mg/g", None, 30),
        (180, "[lb_av]", "kg", None, 81.6466266),
        (5000, "g", "kg", None, 5),
        (70, "[in_i]", "cm", None, 177.8),
        (1.8, "m", "cm", None, 180),
        (98.6, "[degF]", "Cel", None, 37),
        (310.15, "K", "Cel", None, 37),
        (1, "kPa", "mm[Hg]", None, 7.500638),
        (5, "10*3/uL", "10*9/L", None, 5),
        (5000, "/uL", "10*9/L", None, 5),
        (5000, "{cells}/uL", "10*3/uL", None, 5),
        (5, "10^3/uL", "10*9/L", None, 5),
        (0.21, "1", "%", None, 21),
        (60, "U/L", "ukat/L", None, 1),
        (140, "meq/L", "mmol/L", "sodium", 140),
        (24, "mg/d", "mg/h", None, 1),
        (2.5, "m[IU]/L", "u[IU]/mL", None, 2.5),
        (30, "mL/(24.h)", "mL/d", None, 30),
        (25, "g/cm2", "kg/m2", None, 250),
    ],
)
def test_a_value_is_given_in_another_unit(
    value: float, source: str, target: str, analyte: str | None, expected: float
) -> None:
    assert convert(value, source, target, analyte) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "same"),
    [
        ("/min", "{beats}/min"),
        ("/min", "{breaths}/min"),
        ("/min", "1/min"),
        ("mg/g", "mg/g{creat}"),
        ("{INR}", "1"),
        ("{score}", "1"),
        ("10*3/uL", "10*9/L"),
        ("mL/min/{1.73_m2}", "mL/min/{1.73m2}"),
        ("mL/min/{1.73_m2}", "mL/min/1.73m2"),
        ("mg/dL", "mg/dl"),
    ],
)
@given(value=NUMBERS)
def test_another_spelling_of_the_same_unit_changes_no_bit(unit: str, same: str, value: float) -> None:
    assert convert(value, same, unit) == value
    assert convert(value, unit, same) == value
    assert convert(value, unit, unit) == value


@pytest.mark.parametrize(
    ("source", "target", "analyte"),
    [
        (None, "mg/dL", None),
        ("", "mg/dL", None),
        ("mg/dL", "mmol/L", None),  # of what?
        ("mg/dL", "mmol/L", "iron"),
        ("mg/dL", "%", "creatinine"),
        ("mmol/mol", "%", None),
        ("mg/g", "%", None),
        ("{score}", "%", None),
        ("mg/mg", "mmol/mmol", None),
        ("mL/min", "mL/min/{1.73_m2}", None),
        ("meq/L", "mmol/L", None),
        ("K/uL", "10*3/uL", None),
        ("bpm", "/min", None),
        ("mmHg", "mm[Hg]", None),
        ("F", "Cel", None),
        ("%", "Cel", None),
        ("{unknownunit}", "1", None),
        ("(score)", "1", None),
        ("mg//dL", "mg/dL", None),
        ("mg.", "mg", None),
        ("/", "1", None),
        ("0/min", "/min", None),
        ("(((mg", "mg", None),
        ("mg)", "mg", None),
        ("mg(dL)", "mg/dL", None),
        ("mL/min{1.73_m2}", "mL/min/{1.73_m2}", None),
        ("mg/dL{a}{b}", "mg/dL", None),
        ("mg" + "/s" * 40, "mg", None),
    ],
)
def test_a_unit_that_is_not_understood_is_refused(source: str | None, target: str, analyte: str | None) -> None:
    assert not is_convertible(source, target, analyte)
    with pytest.raises(UnknownUnit):
        convert(1.0, source, target, analyte)


@pytest.mark.parametrize("analyte", sorted(analyte_factors()))
@given(value=NUMBERS)
def test_a_conversion_and_back_is_the_same_value(analyte: str, value: float) -> None:
    known = analyte_factors()[analyte]
    there = convert(value, known.from_unit, known.to_unit, analyte)

    assert convert(there, known.to_unit, known.from_unit, analyte) == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("analyte", sorted(analyte_factors()))
def test_every_factor_has_its_source_and_a_label_that_may_be_live(analyte: str) -> None:
    known = analyte_factors()[analyte]

    assert known.citation
    assert known.label in ("VERIFIED", "DEFINITION")


@given(st.text(max_size=60))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    assert is_convertible(text, "mg/dL", "creatinine") in (True, False)


def test_a_refusal_does_not_repeat_the_unit() -> None:
    with pytest.raises(UnknownUnit) as refusal:
        convert(1.0, "MARKER", "mg/dL")
    assert "MARKER" not in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "target", "exactly"),
    [("ug/h", "mg/d", Fraction(3, 125)), ("d", "h", Fraction(24)), ("wk", "d", Fraction(7)), ("mL", "mL", Fraction(1))],
)
def test_a_ratio_is_exact(source: str, target: str, exactly: Fraction) -> None:
    assert ratio(source, target) == exactly


@pytest.mark.parametrize(("source", "target"), [("mg", "mL"), ("Cel", "K"), ("tablet", "mg"), ("mg/kg", "mg")])
def test_units_without_a_common_zero_have_no_ratio(source: str, target: str) -> None:
    with pytest.raises(UnknownUnit):
        ratio(source, target)
