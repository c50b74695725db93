import pytest

from models.assessment import Gap, Missing, Reading
from models.ckd_epi_2021.equation import egfr
from models.features.demographics import AGE_YEARS, SEX
from models.features.feature import Answer, Feature, extract
from models.features.kidney import EGFR_ML_MIN_1_73M2, STABLE_EGFR_ML_MIN_1_73M2
from models.site import Site
from tests.builders import Resource, a_patient, a_record, an_observation
from tests.models.charts import EGFR_UNIT


def read(*resources: Resource, feature: Feature = EGFR_ML_MIN_1_73M2) -> Answer:
    return extract((SEX, AGE_YEARS, feature), a_record(*resources), Site())[feature.name]


def test_egfr_follows_from_the_newest_creatinine() -> None:
    answer = read(
        an_observation("2160-0", 1.4, "mg/dL", on="2024-05-01"), an_observation("2160-0", 1.0, "mg/dL", on="2024-01-01")
    )
    assert isinstance(answer, Reading)
    assert answer.value == egfr(sex="female", age_years=63, creatinine_mg_dl=1.4)
    assert answer.note == "CKD-EPI 2021 from creatinine"
    assert len(answer.sources) == 1


def test_a_reported_egfr_stands_in_where_there_is_no_creatinine() -> None:
    answer = read(an_observation("98979-8", 48, EGFR_UNIT))
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (48, "")


def test_a_creatinine_goes_before_a_reported_egfr() -> None:
    answer = read(an_observation("98979-8", 48, EGFR_UNIT), an_observation("2160-0", 1.4, "mg/dL"))
    assert isinstance(answer, Reading)
    assert answer.value != 48


def test_an_old_creatinine_gives_way_to_a_reported_egfr_in_the_window() -> None:
    old = an_observation("2160-0", 1.4, "mg/dL", on="2020-01-01")
    answer = read(old, an_observation("98979-8", 48, EGFR_UNIT))
    assert isinstance(answer, Reading)
    assert answer.value == 48
    alone = read(old)
    assert isinstance(alone, Missing)
    assert alone.gap is Gap.TOO_OLD


@pytest.mark.parametrize(("number", "unit", "expected"), [(1.4, None, Gap.UNIT), (140, "mg/dL", Gap.IMPLAUSIBLE)])
def test_an_unusable_creatinine_is_not_worked_around(number: float, unit: str | None, expected: Gap) -> None:
    answer = read(an_observation("2160-0", number, unit), an_observation("98979-8", 48, EGFR_UNIT))
    assert isinstance(answer, Missing)
    assert answer.gap is expected


def test_egfr_needs_sex_and_age() -> None:
    creatinine = an_observation("2160-0", 1.4, "mg/dL")
    for patient in (a_patient(sex="unknown"), a_patient(born=None)):
        answer = read(patient, creatinine)
        assert isinstance(answer, Missing)
        assert answer.note == "sex and age are needed to estimate it from creatinine"


def test_a_chronic_egfr_is_refused_while_creatinine_rises() -> None:
    rising = (
        an_observation("2160-0", value, "mg/dL", on=on) for value, on in ((2.8, "2024-05-20"), (1.4, "2024-05-15"))
    )
    resources = tuple(rising)
    assert isinstance(read(*resources), Reading)
    answer = read(*resources, feature=STABLE_EGFR_ML_MIN_1_73M2)
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.UNSTABLE
    assert answer.at is not None
    assert answer.at.text == "2024-05-20"


def test_a_steady_creatinine_gives_a_chronic_egfr() -> None:
    resources = [an_observation("2160-0", 1.4, "mg/dL", on=on) for on in ("2024-05-20", "2024-05-15", "2024-01-15")]
    assert read(*resources, feature=STABLE_EGFR_ML_MIN_1_73M2) == read(*resources)
