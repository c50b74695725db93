"""Which allergies are to a drug, and how the reaction was: by codes, and never harmless by default."""

import pytest

from fhir_client.codes import ICD_10_CM, RXNORM, SNOMED_CT, Code
from fhir_client.record import Availability
from models.assessment import Gap, Missing, Reading
from models.features.allergies import GRAVE, ReactionKind, allergy_to, reaction_kind
from models.features.feature import Answer, Feature
from models.site import Site
from tests.builders import Coded, Resource, a_reaction, a_record, an_allergy

PENICILLIN = allergy_to("penicillin_allergy", "allergy to a penicillin", of="penicillin_allergy")
GRAVE_PENICILLIN = allergy_to("grave", "grave allergy to a penicillin", of="penicillin_allergy", kinds=GRAVE)
EITHER = allergy_to("either", "allergy or intolerance to a penicillin", of="penicillin_allergy", kind="")
ANAPHYLAXIS, ANGIOEDEMA, STEVENS_JOHNSON, RASH, NAUSEA, WHEEZE = (
    "39579001", "41291007", "73442001", "271807003", "422587007", "56018004",
)  # fmt: skip
SEEN_IN_WORDS: Resource = {"text": "throat swelled"}


def read(*allergies: Resource, of: Feature = PENICILLIN, **availability: Availability) -> Answer:
    return of.answer(a_record(*allergies, availability=availability or None), Site())


def kind(*reactions: Resource, site: Site | None = None) -> ReactionKind:
    (allergy,) = a_record(an_allergy("723", *reactions)).allergies
    return reaction_kind(allergy, site or Site())


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([ANAPHYLAXIS], ReactionKind.ANAPHYLAXIS),
        ([RASH, ANGIOEDEMA], ReactionKind.ANAPHYLAXIS),
        ([STEVENS_JOHNSON, RASH], ReactionKind.SEVERE_SKIN),
        ([Code(ICD_10_CM, "D72.12")], ReactionKind.SEVERE_SKIN),
        ([Code(ICD_10_CM, "T80.69")], ReactionKind.SEVERE_DELAYED),
        ([Code(ICD_10_CM, "D59.0"), STEVENS_JOHNSON], ReactionKind.SEVERE_SKIN),
        ([RASH], ReactionKind.MILD),
        ([NAUSEA, RASH], ReactionKind.MILD),
        ([NAUSEA], ReactionKind.SIDE_EFFECT),
        ([Code(ICD_10_CM, "R11.2")], ReactionKind.SIDE_EFFECT),
        ([NAUSEA, WHEEZE], ReactionKind.UNKNOWN),
        ([NAUSEA, SEEN_IN_WORDS], ReactionKind.UNKNOWN),
        ([SEEN_IN_WORDS], ReactionKind.UNKNOWN),
        ([], ReactionKind.UNKNOWN),
    ],
)
def test_the_gravest_code_tells_how_a_reaction_was(seen: list[Coded], expected: ReactionKind) -> None:
    assert kind(a_reaction(*seen)) is expected


def test_all_reactions_count() -> None:
    assert kind(a_reaction(NAUSEA), a_reaction(ANAPHYLAXIS)) is ReactionKind.ANAPHYLAXIS
    assert kind(a_reaction(NAUSEA), a_reaction()) is ReactionKind.SIDE_EFFECT


def test_an_allergy_without_a_reaction_is_not_known_to_be_harmless() -> None:
    assert kind() is ReactionKind.UNKNOWN


def test_what_was_severe_is_not_harmless() -> None:
    assert kind(a_reaction(NAUSEA, severity="severe")) is ReactionKind.UNKNOWN
    assert kind(a_reaction(NAUSEA, severity="moderate")) is ReactionKind.SIDE_EFFECT


def test_a_site_without_snomed_ct_does_not_read_it() -> None:
    assert kind(a_reaction(NAUSEA), site=Site(snomed=False)) is ReactionKind.UNKNOWN
    assert kind(a_reaction(ANAPHYLAXIS), site=Site(snomed=False)) is ReactionKind.UNKNOWN


@pytest.mark.parametrize(
    "code", [Code(RXNORM, "723"), Code(RXNORM, "308182"), Code(SNOMED_CT, "91936005"), Code(ICD_10_CM, "Z88.0")]
)
def test_an_allergy_is_found_by_ingredient_product_or_code(code: Code) -> None:
    answer = read(an_allergy(code, a_reaction(RASH), lastOccurrence="2010-05"))

    assert isinstance(answer, Reading)
    assert answer.value is True
    assert answer.note == "mild reaction"
    assert answer.at is not None
    assert answer.at.text == "2010-05"
    assert len(answer.sources) == 1


def test_the_gravest_of_several_is_named() -> None:
    answer = read(an_allergy("723", a_reaction(RASH)), an_allergy("7980", a_reaction(ANAPHYLAXIS), recorded="2001"))

    assert isinstance(answer, Reading)
    assert answer.note == "anaphylaxis or angioedema"


def test_where_only_grave_reactions_count_a_mild_one_is_none_and_an_unknown_one_not_known() -> None:
    grave = read(an_allergy("723", a_reaction(ANAPHYLAXIS)), of=GRAVE_PENICILLIN)
    assert isinstance(grave, Reading)
    assert grave.value is True
    mild = read(an_allergy("723", a_reaction(RASH)), of=GRAVE_PENICILLIN)
    assert isinstance(mild, Reading)
    assert mild.value is False
    assert read(an_allergy("723"), of=GRAVE_PENICILLIN) == Missing(Gap.NOT_CODED, note="reaction not known")


def test_what_is_recorded_as_an_intolerance_counts_only_where_both_do() -> None:
    intolerance = an_allergy("723", a_reaction(NAUSEA), kind="intolerance")

    assert read(intolerance) == Reading(value=False)
    either = read(intolerance, of=EITHER)
    assert isinstance(either, Reading)
    assert either.note == "side effect"


def test_an_allergy_to_something_else_is_none() -> None:
    assert read(an_allergy("2231", a_reaction(RASH))) == Reading(value=False)
    assert read(an_allergy(Code(SNOMED_CT, "300916003"))) == Reading(value=False)


def test_no_allergy_at_all_is_none_if_the_list_is_complete() -> None:
    assert read() == Reading(value=False)
    assert read(allergies=Availability.DENIED) == Missing(Gap.UNAVAILABLE, note="access was denied")
    assert isinstance(read(allergies=Availability.UNAVAILABLE), Missing)


def test_an_allergy_found_in_a_part_of_the_list_says_so() -> None:
    answer = read(an_allergy("723", a_reaction(RASH)), allergies=Availability.PARTIAL)

    assert isinstance(answer, Reading)
    assert answer.value is True
    assert answer.note.startswith("mild reaction; ")


def test_an_entry_in_words_alone_may_be_what_is_asked_for() -> None:
    assert read(an_allergy({"text": "penicillin"}), an_allergy("2231")) == Missing(
        Gap.UNREADABLE, note="1 of 2 allergies without a readable code"
    )


def test_a_food_in_words_alone_is_no_drug() -> None:
    assert read(an_allergy({"text": "strawberries"}, category=["food"])) == Reading(value=False)
    assert isinstance(read(an_allergy({"text": "x"}, category=["food", "medication"])), Missing)
