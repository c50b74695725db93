"""Who plays which part, and what of it is said once."""

from models.assessment import Findings, Tier
from models.order_checks.engine import ORDER_CHECKS, OrderChecks
from models.order_checks.rules import all_rules
from models.site import Site
from tests.builders import Resource, a_medication, a_record, an_observation
from tests.models.order_checks.building import TODAY, a_draft, a_mixture, a_taken, chart
from tests.models.order_checks.test_drugs import of_form

NSAID, LISINOPRIL, HYDROCHLOROTHIAZIDE, HALOPERIDOL, METHADONE = "5640", "29046", "5487", "5093", "6813"
SILDENAFIL, NITROGLYCERIN, WARFARIN, APIXABAN = "136411", "4917", "11289", "1364430"
RULES = {rule.id: rule for rule in all_rules()}


def findings(*resources: Resource, drafts: tuple[Resource, ...], only: str = "") -> Findings:
    checks = OrderChecks("one", "1", (RULES[only],)) if only else ORDER_CHECKS
    checked = checks.assess(a_record(*resources, drafts=drafts), Site())
    assert isinstance(checked, Findings)
    return checked


def test_two_parts_of_three_can_be_one_tablet() -> None:
    """An ACE inhibitor with its diuretic in one product, and the NSAID beside it."""
    rule = "nsaid-raas-diuretic"
    draft = a_mixture([LISINOPRIL, HYDROCHLOROTHIAZIDE], id="d1")
    (found,) = findings(a_taken(NSAID, id="m1"), drafts=(draft,), only=rule).found
    assert found.orders == ("MedicationRequest/d1", "MedicationRequest/m1")
    assert found.message == "ibuprofen with lisinopril and hydrochlorothiazide: kidney injury"
    (found,) = findings(drafts=(a_draft(NSAID, id="d2"), draft), only=rule).found
    assert set(found.orders) == {"MedicationRequest/d1", "MedicationRequest/d2"}


def test_a_pair_of_two_drafts_is_said_once() -> None:
    (found,) = findings(
        drafts=(a_draft(SILDENAFIL, id="d1"), a_draft(NITROGLYCERIN, id="d2")), only="pde5-inhibitor-nitrate"
    ).found
    assert found.orders == ("MedicationRequest/d1", "MedicationRequest/d2")


def test_a_finding_is_known_again_whatever_its_orders_are_called() -> None:
    keys = {
        findings(a_taken(NITROGLYCERIN), drafts=(a_draft(SILDENAFIL),), only="pde5-inhibitor-nitrate").found[0].key,
        findings(a_taken(SILDENAFIL), drafts=(a_draft(NITROGLYCERIN),), only="pde5-inhibitor-nitrate").found[0].key,
    }
    assert keys == {f"pde5-inhibitor-nitrate:{SILDENAFIL}:{NITROGLYCERIN}"}


def test_a_gel_meets_no_rule_about_what_is_taken() -> None:
    gel = of_form("Topical Gel", "3355")
    low = an_observation("98979-8", 20, "mL/min/{1.73_m2}", on=TODAY)
    assert findings(low, drafts=(a_draft(gel),), only="nsaid-egfr-below-30").found == ()
    assert findings(low, drafts=(a_draft("3355"),), only="nsaid-egfr-below-30").found != ()
    beside = findings(a_taken(LISINOPRIL), a_taken(HYDROCHLOROTHIAZIDE), drafts=(a_draft(gel),))
    assert beside.found == ()
    assert beside.unresolved == 0


def test_a_nitrate_ointment_is_a_nitrate() -> None:
    ointment = of_form("Topical Ointment", NITROGLYCERIN)
    assert findings(a_taken(SILDENAFIL), drafts=(a_draft(ointment),), only="pde5-inhibitor-nitrate").found != ()


def test_a_graver_finding_about_the_same_orders_stands_for_the_lesser() -> None:
    long_qt = chart({"qtc_ms": 520}, [a_draft(HALOPERIDOL)], [a_taken(METHADONE)])
    checked = ORDER_CHECKS.assess(long_qt, Site())
    assert isinstance(checked, Findings)
    assert [found.rule.id for found in checked.found] == ["qt-two-drugs-qtc-500"]
    assert checked.found[0].tier is Tier.CRITICAL
    known = chart({"qtc_ms": 420}, [a_draft(HALOPERIDOL)], [a_taken(METHADONE)])
    checked = ORDER_CHECKS.assess(known, Site())
    assert isinstance(checked, Findings)
    assert [found.rule.id for found in checked.found] == ["qt-two-drugs"]


def test_findings_come_with_the_most_urgent_first() -> None:
    checked = ORDER_CHECKS.assess(
        chart({"potassium_24h": 6.2, "egfr": 20}, [a_draft("29046"), a_draft("5640")]), Site()
    )
    assert isinstance(checked, Findings)
    ranks = [found.tier.rank for found in checked.found]
    assert ranks == sorted(ranks)
    assert len(ranks) >= 2


def test_two_anticoagulants_are_two_and_one_renewed_is_one() -> None:
    assert findings(a_taken(APIXABAN), drafts=(a_draft(WARFARIN),), only="two-anticoagulants").found != ()
    assert findings(a_taken(WARFARIN), drafts=(a_draft(WARFARIN),), only="two-anticoagulants").found == ()


def test_a_newer_gel_does_not_hide_the_tablet_that_is_taken_as_well() -> None:
    gel, tablet = of_form("Topical Gel", "3355"), of_form("Delayed Release Oral Tablet", "3355")
    taken = (a_medication(tablet, authored="2024-05-01"), a_medication(gel, authored="2024-05-20"))
    drafts = (a_draft(LISINOPRIL), a_draft(HYDROCHLOROTHIAZIDE))
    assert findings(*taken, drafts=drafts, only="nsaid-raas-diuretic").found != ()
    assert findings(taken[1], drafts=drafts, only="nsaid-raas-diuretic").found == ()


def test_an_order_that_is_being_changed_is_not_looked_at_as_it_was() -> None:
    before = a_taken(NITROGLYCERIN, id="m1")
    changed = a_draft("10582", id="m1")
    assert findings(before, drafts=(a_draft(SILDENAFIL), changed), only="pde5-inhibitor-nitrate").found == ()
    assert findings(before, drafts=(a_draft(SILDENAFIL),), only="pde5-inhibitor-nitrate").found != ()


def test_only_what_is_taken_was_tolerated() -> None:
    """Drafts that were begun long ago and never signed show nothing of how the pair is borne."""
    old = [a_medication(code, status="draft", authored="2024-01-01") for code in (WARFARIN, APIXABAN)]
    asked = a_draft(WARFARIN)
    record = a_record(drafts=(asked, *old), selected=(asked,))
    checked = OrderChecks("one", "1", (RULES["two-anticoagulants"],)).assess(record, Site())
    assert isinstance(checked, Findings)
    assert checked.found != ()
