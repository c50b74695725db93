"""A truth table for every rule, made from its row: a new row has its cases as soon as it is there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

import pytest

from fhir_client.codes import RXNORM, Code
from fhir_client.medications import ingredients
from fhir_client.record import PatientRecord
from models.assessment import Findings, NotApplicable
from models.concepts import concept
from models.features.feature import Kind
from models.order_checks import expression
from models.order_checks.engine import MONITORED, OrderChecks
from models.order_checks.rules import Rule, all_rules
from models.order_checks.vocabulary import vocabulary
from models.site import Site
from tests.builders import Resource, a_medication, an_order
from tests.models.order_checks.building import (
    BUILDERS,
    Builder,
    Value,
    a_draft,
    a_mixture,
    a_taken,
    chart,
    drug_of,
    partners_of,
)

Assigned = dict[str, Value | None]

RULES = all_rules()
CONDITIONAL = [rule for rule in RULES if rule.condition is not None]
PAIRS = [rule for rule in RULES if rule.partners]
MOST = 2_000
UNRELATED = "10582"  # levothyroxine
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
each_conditional = pytest.mark.parametrize("rule", CONDITIONAL, ids=lambda rule: rule.id)
each_pair = pytest.mark.parametrize("rule", PAIRS, ids=lambda rule: rule.id)


def answer(rule: Rule, record: PatientRecord) -> tuple[bool, bool]:
    """Tell whether the rule, by itself, finds something, and whether it says that it could not check."""
    found = OrderChecks("one", "1", (rule,)).assess(record, Site())
    if isinstance(found, NotApplicable):
        return False, False
    assert isinstance(found, Findings)
    return bool(found.found), bool(found.unchecked)


def orders(rule: Rule) -> tuple[Resource, list[Resource]]:
    """Give a draft for the rule's own drug, and active orders for its partners."""
    own = drug_of(rule.drug)
    return a_draft(own), [a_taken(code) for code in partners_of(rule, own)]


def asked(rule: Rule, assigned: Mapping[str, Value | None], other_units: Iterable[str] = ()) -> tuple[bool, bool]:
    draft, active = orders(rule)
    if assigned.get("is_new") is False:
        active.append(a_taken(drug_of(rule.drug)))
    return answer(rule, chart(assigned, [draft], active, other_units=other_units))


def candidates(rule: Rule) -> dict[str, list[Value]]:
    """Give each name's values: of a truth both, of a quantity each bound, and just beneath and above it."""
    assert rule.condition is not None
    found: dict[str, list[Value]] = {}
    for name in dict.fromkeys(expression.names(rule.condition)):
        if vocabulary()[name].kind is Kind.TRUTH:
            found[name] = [True, False]
    for comparison in expression.comparisons(rule.condition):
        step = BUILDERS[comparison.name].step or round(comparison.bound * 0.01, 4)
        near = (comparison.bound - step, comparison.bound, comparison.bound + step)
        values = found.setdefault(comparison.name, [])
        values.extend(value for each in near if (value := round(each, 6)) not in values)
    return found


def table(rule: Rule) -> Iterator[Assigned]:
    """Give every combination of values, and of each that lacks one name."""
    values = candidates(rule)
    assert prod(map(len, values.values())) <= MOST, "a row with so many factors is two rows"
    for combination in product(*values.values()):
        yield dict(zip(values, combination, strict=True))
    for lacking in (name for name in values if not BUILDERS[name].is_always_known):
        others = {name: choices for name, choices in values.items() if name != lacking}
        for combination in product(*others.values()):
            yield {**dict(zip(others, combination, strict=True)), lacking: None}


def expected(rule: Rule, assigned: Mapping[str, Value | None]) -> bool | None:
    """Read the row's own words in two-valued logic: what is lacking is not known unless no value of it matters."""
    values = candidates(rule)
    lacking = [name for name, value in assigned.items() if value is None]
    truths = {
        eval(rule.when, {"__builtins__": {}}, {**assigned, **dict(zip(lacking, fill, strict=True))})  # noqa: S307
        for fill in product(*(values[name] for name in lacking))
    }
    return truths.pop() if len(truths) == 1 else None


def with_what_else_is_not_read(assigned: Assigned) -> Assigned:
    """Add what is not known either when a search was not answered: truths that nothing speaks for."""
    unread = {BUILDERS[name].unread for name, value in assigned.items() if value is None} - {""}
    return {
        name: None if value is False and BUILDERS[name].unread in unread else value for name, value in assigned.items()
    }


def is_told(rule: Rule, read: Mapping[str, Value | None]) -> bool:
    """Tell whether it is said that the check was not made: the row asks for it, or a search was not answered."""
    return rule.says_unknown or any(value is None and BUILDERS[name].unread for name, value in read.items())


def possible(assigned: Mapping[str, Value | None]) -> bool:
    """Leave out what no patient can be."""
    return not (assigned.get("female") is False and assigned.get("pregnancy"))


@pytest.mark.parametrize("name", vocabulary())
def test_every_name_of_the_vocabulary_has_a_builder(name: str) -> None:
    assert isinstance(BUILDERS[name], Builder)


def test_the_drug_that_no_rule_is_about_is_one() -> None:
    known = ingredients([Code(RXNORM, UNRELATED)])
    assert known == frozenset({UNRELATED})
    assert not any(UNRELATED in part.codes for rule in RULES for part in (rule.drug, *rule.partners) if part)


def test_no_builder_is_for_a_name_that_there_is_not() -> None:
    assert set(BUILDERS) == set(vocabulary())


@each_conditional
def test_a_rule_speaks_exactly_where_its_row_says(rule: Rule) -> None:
    """Each name turned, each bound met, missed and passed, each value missing."""
    seen = set()
    for assigned in filter(possible, table(rule)):
        read = with_what_else_is_not_read(assigned)
        truth = expected(rule, read)
        assert asked(rule, assigned) == (truth is True, truth is None and is_told(rule, read)), assigned
        seen.add(truth)
    assert seen >= {True, False}


@each_conditional
def test_what_is_not_known_is_never_found(rule: Rule) -> None:
    lacking: Assigned = {name: True if BUILDERS[name].is_always_known else None for name in candidates(rule)}
    assert asked(rule, lacking) == (False, is_told(rule, with_what_else_is_not_read(lacking)))


@pytest.mark.parametrize(
    "rule",
    [rule for rule in CONDITIONAL if any(BUILDERS[name].other_unit for name in rule.terms)],
    ids=lambda rule: rule.id,
)
def test_a_value_in_another_unit_is_not_known(rule: Rule) -> None:
    measured = [name for name in rule.terms if BUILDERS[name].other_unit]
    for assigned in filter(possible, table(rule)):
        if None in assigned.values() or not expected(rule, assigned):
            continue
        for name in measured:
            lacking = {**assigned, name: None}
            truth = expected(rule, lacking)
            assert asked(rule, assigned, other_units=[name]) == (
                truth is True,
                truth is None and rule.says_unknown,
            ), name


# ---- who plays in it


def holding(rule: Rule) -> Assigned:
    """Give values under which the condition holds."""
    if rule.condition is None:
        return {}
    return next(each for each in table(rule) if possible(each) and None not in each.values() and expected(rule, each))


def found(
    rule: Rule,
    drafts: Sequence[Resource],
    active: Sequence[Resource] = (),
    selected: tuple[Resource, ...] | None = None,
) -> bool:
    return answer(rule, chart(holding(rule), drafts, active, selected=selected))[0]


@each_rule
def test_it_is_said_of_a_draft_and_of_nothing_that_is_only_taken(rule: Rule) -> None:
    draft, active = orders(rule)
    own = drug_of(rule.drug)
    assert found(rule, [draft], active)
    if rule.drug is not None:  # a rule about every drug is about any draft
        assert not found(rule, [a_draft(UNRELATED)], [a_taken(own), *active])


@each_rule
def test_it_is_not_said_of_a_draft_that_was_not_asked_about(rule: Rule) -> None:
    draft, active = orders(rule)
    other = a_draft(UNRELATED)
    assert not found(rule, [draft, other], active, selected=(other,))
    assert found(rule, [draft, other], active, selected=(draft,))


@each_rule
def test_every_ingredient_of_its_drug_is_meant(rule: Rule) -> None:
    for code in () if rule.drug is None or rule.drug.together else rule.drug.codes:
        active = [a_taken(each) for each in partners_of(rule, code)]
        assert found(rule, [a_draft(code)], active), code


@each_pair
def test_every_ingredient_of_a_partner_is_meant(rule: Rule) -> None:
    own = drug_of(rule.drug)
    for place, partner in enumerate(rule.partners):
        for code in [] if partner.together else [each for each in partner.codes if each != own]:
            active = [a_taken(each) for each in partners_of(rule, own)]
            active[place] = a_taken(code)
            assert found(rule, [a_draft(own)], active), code


@each_pair
def test_without_one_of_its_partners_nothing_is_said(rule: Rule) -> None:
    draft, active = orders(rule)
    for lacking in range(len(active)):
        assert not found(rule, [draft], active[:lacking] + active[lacking + 1 :])


@pytest.mark.parametrize(
    "rule", [rule for rule in PAIRS if "daily_dose_mg" not in rule.terms], ids=lambda rule: rule.id
)  # of an order that is taken these charts say no dose: test_of_the_order does
def test_a_partner_can_be_the_draft_that_is_asked_about(rule: Rule) -> None:
    own = drug_of(rule.drug)
    codes = partners_of(rule, own)
    for place, code in enumerate(codes):
        others = [a_taken(each) for each in codes[:place] + codes[place + 1 :]]
        assert found(rule, [a_draft(code)], [a_taken(own), *others])
        assert found(rule, [a_draft(code), a_draft(own)], others)


@each_pair
def test_what_is_all_in_one_product_is_one_order_and_no_pair(rule: Rule) -> None:
    assert rule.drug is not None
    own = drug_of(rule.drug)
    parts = {code for part in rule.partners for code in ([*part.codes] if part.together else partners_of(rule, own))}
    assert not found(rule, [a_mixture(sorted({own, *parts}))])


@pytest.mark.parametrize("rule", [rule for rule in PAIRS if rule.is_distinct], ids=lambda rule: rule.id)
def test_the_same_drug_twice_is_no_pair_of_two(rule: Rule) -> None:
    assert rule.drug is not None
    for code in rule.drug.codes:
        assert not found(rule, [a_draft(code)], [a_taken(code)])


@each_rule
def test_text_and_codes_of_something_else_never_match(rule: Rule) -> None:
    draft, active = orders(rule)
    words = {"text": rule.drug.title if rule.drug else "amoxicillin"}
    nothing = {**draft, "medicationCodeableConcept": words}
    assert not found(rule, [nothing], active)
    code = drug_of(rule.drug)
    elsewhere = {"coding": [{"system": "http://hl7.org/fhir/sid/ndc", "code": code}], **words}
    assert not found(rule, [{**draft, "medicationCodeableConcept": elsewhere}], active)


# ---- what holds it back


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.monitoring], ids=lambda rule: rule.id)
def test_a_test_that_watches_it_holds_it_back(rule: Rule) -> None:
    for name in rule.monitoring:
        draft, active = orders(rule)
        ordered = an_order(next(iter(sorted(concept(name).searched))))
        record = chart(holding(rule), [draft], [*active, ordered])
        checked = OrderChecks("one", "1", (rule,)).assess(record, Site())
        assert isinstance(checked, Findings)
        held = [each.why for each in checked.held_back]
        assert (bool(checked.found), held) == ((True, []) if rule.is_lasting else (False, [MONITORED])), name


@pytest.mark.parametrize(
    ("order", "watches"),
    [
        ({"authored": "2024-05-20"}, True),
        ({"authored": "2023-05-20"}, False),
        ({"authored": "2023-05-20", "occurrenceDateTime": "2024-06-04"}, True),
        ({"authored": "2024-05-30", "occurrenceDateTime": "2024-05-30"}, False),
        (
            {
                "authored": "2023-05-20",
                "occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
            },
            True,
        ),
        ({"authored": None}, False),
        ({"status": "completed"}, False),
    ],
)
def test_only_a_test_that_is_to_come_watches(order: Resource, *, watches: bool) -> None:
    rule = next(rule for rule in RULES if rule.monitoring == ("inr",) and not rule.is_lasting)
    draft, active = orders(rule)
    ordered = an_order(next(iter(sorted(concept("inr").searched))), **order)
    assert found(rule, [draft], [*active, ordered]) is not watches


@each_pair
def test_what_was_taken_together_for_ninety_days_is_not_said_again(rule: Rule) -> None:
    own = drug_of(rule.drug)
    for authored, is_said in (("2024-03-02", rule.is_lasting), ("2024-03-04", True)):
        old = [a_medication(code, authored=authored) for code in (own, *partners_of(rule, own))]
        assert found(rule, [a_draft(own)], old) is is_said, authored
