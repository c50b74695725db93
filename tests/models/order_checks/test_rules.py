"""Rows: what is refused, what all of them have, and that they mean what they say."""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from models.assessment import Findings, Tier
from models.errors import ParametersRejected
from models.order_checks import rules
from models.order_checks.bounds import bound
from models.order_checks.engine import OrderChecks
from models.order_checks.expression import certain, comparisons
from models.order_checks.rules import FOLDER, Rule, all_rules, read_rules
from models.parameters import Label
from models.site import Site
from tests.models.order_checks.building import a_draft, chart

GOOD: Mapping[str, Any] = {
    "id": "one",
    "version": "1",
    "drug": "metformin",
    "tier": "warning",
    "message": "{drug} at {egfr}",
    "action": "Stop.",
    "when": "egfr < 30",
    "citation": "a book",
    "label": "VERIFIED",
    "owner": "pharmacy",
    "review": date(2027, 11, 1),
}
each_rule = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)


def a_file(folder: Path, *rows: Mapping[str, Any], title: str = 'title = "a topic"') -> Path:
    path = folder / "rows.toml"
    text = "\n".join(
        "[[rule]]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in row.items()) + "\n" for row in rows
    )
    path.write_text(f"{title}\n{text}", encoding="utf-8")
    return path


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return value.isoformat() if isinstance(value, date) else f'"{value}"'


def read(folder: Path, **changed: object) -> Rule:
    row = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    (rule,) = read_rules(a_file(folder, row))
    return rule


def test_a_row_is_read(tmp_path: Path) -> None:
    rule = read(tmp_path)
    assert (rule.id, rule.topic, rule.tier, rule.when) == ("one", "a topic", Tier.WARNING, "egfr < 30")
    assert rule.drug is not None
    assert rule.drug.name == "metformin"
    assert rule.unverified == ()
    assert (rule.is_lasting, rule.is_distinct, rule.says_unknown, rule.counts_local) == (False, False, False, False)


@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in GOOD if name != "when"),
        {"wen": "egfr < 30"},
        {"tier": "fatal"},
        {"unknown": "shout"},
        {"drug": "moonshine"},
        {"with": ["moonshine"]},
        {"drug": "creatinine"},
        {"when": "moon < 30"},
        {"when": "egfr <"},
        {"when": "egfr < 30 or pregnancy"},
        {"message": "{with}"},
        {"message": "{drug} at {crcl}"},
        {"action": "{potassium}"},
        {"message": ""},
        {"label": "SURE"},
        {"citation": ""},
        {"review": "2027-11-01"},
        {"monitoring": ["moonlight"]},
    ],
    ids=str,
)
def test_a_row_that_is_not_of_the_form_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(ParametersRejected):
        read(tmp_path, **changed)


def test_a_file_is_a_title_and_rules(tmp_path: Path) -> None:
    with pytest.raises(ParametersRejected):
        list(read_rules(a_file(tmp_path, GOOD, title='title = "a"\nother = 1')))


def test_two_rules_of_one_id_and_a_rule_that_gives_way_to_none_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "FOLDER", tmp_path)
    for rows in ((GOOD, GOOD), ({**GOOD, "unless": ["two"]},)):
        a_file(tmp_path, *rows)
        all_rules.cache_clear()
        with pytest.raises(ParametersRejected):
            all_rules()
    a_file(tmp_path, {**GOOD, "unless": ["two"]}, {**GOOD, "id": "two"})
    all_rules.cache_clear()
    assert [rule.id for rule in all_rules()] == ["one", "two"]
    all_rules.cache_clear()


def test_what_is_not_verified_keeps_a_row_from_live_use(tmp_path: Path) -> None:
    assert read(tmp_path, label="UNVERIFIED").unverified == ("one: UNVERIFIED",)


# ---- which of two is said

LESSER: Mapping[str, Any] = {**GOOD, "id": "lesser", "message": "{drug}", "when": None, "unless": ["one"]}


def said_of(folder: Path, *rows: Mapping[str, Any], drugs: tuple[str, ...]) -> set[str]:
    rows = tuple({key: value for key, value in row.items() if value is not None} for row in rows)
    checks = OrderChecks("two", "1", tuple(read_rules(a_file(folder, *rows))))
    checked = checks.assess(chart({"egfr": 20}, [a_draft(code) for code in drugs]), Site())
    assert isinstance(checked, Findings)
    return {finding.rule.id for finding in checked.found}


def test_a_rule_gives_way_to_a_graver_one_about_the_same_orders(tmp_path: Path) -> None:
    assert said_of(tmp_path, GOOD, LESSER, drugs=("6809",)) == {"one"}
    alone = {**LESSER, "unless": None}
    assert said_of(tmp_path, GOOD, alone, drugs=("6809",)) == {"one", "lesser"}


def test_a_rule_does_not_give_way_to_what_is_said_of_another_order(tmp_path: Path) -> None:
    assert said_of(tmp_path, GOOD, {**LESSER, "drug": "warfarin"}, drugs=("6809", "11289")) == {"one", "lesser"}


@pytest.mark.parametrize(
    ("graver", "lesser", "said"),
    [
        ("UNVERIFIED", "VERIFIED", {"one", "lesser"}),
        ("UNVERIFIED", "UNVERIFIED", {"one"}),
        ("VERIFIED", "UNVERIFIED", {"one"}),
    ],
)
def test_a_rule_that_may_be_live_does_not_give_way_to_one_that_may_not(
    tmp_path: Path, graver: str, lesser: str, said: set[str]
) -> None:
    rows = {**GOOD, "label": graver}, {**LESSER, "label": lesser}
    assert said_of(tmp_path, *rows, drugs=("6809",)) == said


# ---- of the rows that there are


@each_rule
def test_a_message_is_short_enough_to_be_read(rule: Rule) -> None:
    assert len(rule.message) <= 110
    assert len(rule.action) <= 120
    assert rule.action.endswith((".", "?"))
    assert not rule.message.endswith(".")


@each_rule
def test_a_message_prints_the_number_that_it_goes_by(rule: Rule) -> None:
    """A quantity that a rule always asks for is in its words: why for this patient (safety-rules.md 9)."""
    if rule.condition is None:
        return
    said = {name for text in (rule.message, rule.action) for _, name, _, _ in Formatter().parse(text)}
    always = {each.name for each in comparisons(rule.condition)} & certain(rule.condition)
    assert not always or always & said


@each_rule
def test_a_rule_that_is_not_verified_says_what_it_rests_on(rule: Rule) -> None:
    assert rule.evidence or not rule.unverified
    assert rule.review > date(2026, 11, 25)


def test_what_is_verified_names_by_whom() -> None:
    """A label is raised by a source that is named in the row, never by the safety rules' own unlabelled words."""
    for rule in all_rules():
        if rule.label is Label.DEFINITION:
            assert "no threshold" in rule.evidence, rule.id
        elif rule.label.may_be_live:
            named = ("safety-rules.md 2: VERIFIED", "safety-rules.md 4: the list of 15 VERIFIED", "second source: ")
            assert any(each in rule.evidence for each in named), rule.id


def test_what_must_be_said_when_it_is_not_known() -> None:
    """Kidney function for what it forbids, and how often methotrexate is taken; nothing else, or nobody reads it."""
    assert {rule.id for rule in all_rules() if rule.says_unknown} == {
        "metformin-egfr-below-30",
        "dabigatran-crcl-below-15",
        "dabigatran-crcl-15-to-30",
        "methotrexate-crcl-below-30",
        "methotrexate-daily",
        "lithium-egfr-below-30",
        "eplerenone-crcl-30-or-less",
        "zoledronic-acid-crcl-below-35",
    }


def test_every_file_is_a_topic() -> None:
    titles = [tomllib.loads(path.read_text("utf-8"))["title"] for path in FOLDER.glob("*.toml")]
    assert len(titles) == len(set(titles)) == 7


def test_a_bound_that_there_is_not_is_refused() -> None:
    assert bound("tolerated") == 90
    with pytest.raises(ParametersRejected, match="has no value"):
        bound("nothing")
