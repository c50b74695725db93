"""A report is a fact where it may be read, and as of an instant."""

import pytest

from fhir_client.codes import LOINC, Code
from tests.builders import a_record, a_report


@pytest.mark.parametrize(
    ("status", "is_read"),
    [
        ("final", True),
        ("amended", True),
        ("corrected", True),
        ("appended", True),
        ("preliminary", False),
        ("registered", False),
        ("cancelled", False),
        ("entered-in-error", False),
        (None, False),
    ],
)
def test_what_is_not_final_is_no_report(status: str | None, is_read: bool) -> None:
    assert bool(a_record(a_report("24725-4", status=status)).reports) is is_read


def test_a_report_has_its_codes_and_the_time_of_the_study() -> None:
    (report,) = a_record(a_report("24725-4", "2024-05-02", id="r1", issued="2024-05-03T08:00:00Z")).reports

    assert report.codings == (Code(LOINC, "24725-4"),)
    assert report.at is not None
    assert report.at.text == "2024-05-02"
    assert report.source.reference == "DiagnosticReport/r1"


def test_without_a_time_of_the_study_it_is_the_time_of_the_report() -> None:
    (report,) = a_record(a_report("24725-4", None, issued="2024-05-03T08:00:00Z")).reports

    assert report.at is not None
    assert report.at.text == "2024-05-03T08:00:00Z"


def test_what_was_made_or_reported_after_the_instant_is_not_known_yet() -> None:
    assert a_record(a_report("24725-4", "2024-06-03")).reports == ()
    assert a_record(a_report("24725-4", "2024-05-30", issued="2024-06-03T08:00:00Z")).reports == ()


def test_the_newest_comes_first() -> None:
    reports = a_record(a_report("24725-4", "2024-05-01", id="r1"), a_report("24725-4", "2024-05-09", id="r2")).reports

    assert [report.source.reference for report in reports] == ["DiagnosticReport/r2", "DiagnosticReport/r1"]
