"""Drafts and results of every test that has a retest interval, made from its row."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from fhir_client.codes import Code
from models.assessment import Finding, Findings, Unchecked
from models.concepts import Concept
from models.repeat_test import ASSESSOR
from models.repeat_test.rows import Orderable, Part
from models.site import Site
from tests.builders import Resource, a_record, an_observation, an_order

SITE = Site()
NOW = datetime.fromisoformat("2024-06-01T00:00:00Z")
SECOND = timedelta(seconds=1)
ORDERABLES = ASSESSOR.intervals.orderables
EVERY = [pytest.param(each, id=each.reference.id) for each in ORDERABLES]
SINGLE = [pytest.param(each, id=each.reference.id) for each in ORDERABLES if not each.is_panel]
PANELS = [pytest.param(each, id=each.reference.id) for each in ORDERABLES if each.is_panel]
CODES = [(each, code) for each in ORDERABLES for group in each.meaning.groups for code in sorted(group.exact())]
EVERY_CODE = [pytest.param(each, code, id=f"{each.reference.id}-{code.code}") for each, code in CODES]
RESULT_CODES = [pytest.param(each, code, id=code.code) for each, code in CODES if not each.is_panel]


def row(id_: str) -> Orderable:
    (found,) = (each for each in ORDERABLES if each.reference.id == id_)
    return found


def code_of(meaning: Concept) -> Code:
    return min(code for group in meaning.groups for code in group.exact())


def a_draft(orderable: Orderable, **more: Any) -> Resource:
    return an_order(code_of(orderable.meaning), **{"status": "draft", "authored": None, **more})


def a_result(part: Part, at: datetime, code: Code | None = None, **more: Any) -> Resource:
    """Give a result of a part: within the common range of potassium and sodium, whichever it is."""
    value = {"potassium": 4.1, "sodium": 140}.get(part.meaning.name, 1.0)
    unit = {"potassium": "mmol/L", "sodium": "mmol/L", "creatinine": "mg/dL"}.get(part.meaning.name, "1")
    return an_observation(code or code_of(part.meaning), value, unit, on=at.isoformat(), **more)


def results(orderable: Orderable, *, short_of: timedelta = SECOND) -> tuple[Resource, ...]:
    """Give a result of every part, so much younger than its interval."""
    return tuple(a_result(part, NOW - part.interval + short_of) for part in orderable.parts)


def asked(*chart: Resource, drafts: tuple[Resource, ...], **more: Any) -> Any:
    return ASSESSOR.assess(a_record(*chart, drafts=drafts, **more), SITE)


def found(answer: Any) -> list[Finding]:
    assert isinstance(answer, Findings)
    return list(answer.found)


def the_finding(answer: Any) -> Finding:
    (finding,) = found(answer)
    return finding


def the_unchecked(answer: Any) -> Unchecked:
    assert isinstance(answer, Findings)
    assert answer.found == ()
    (unchecked,) = answer.unchecked
    return unchecked
