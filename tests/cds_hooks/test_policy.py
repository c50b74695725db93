"""Release states and the gate (design/contract.md, section 4)."""

import pytest

from cds_hooks.policy import Policy, ReleaseState, without_unverified
from cds_hooks.protocol.hooks import UserId
from models.assessment import Assessed, ModelReference
from models.risk_model import Output
from tests.cds_hooks.declared import AnAssessor, a_service

VERIFIED = Output("risk", "risk")
DOUBTFUL = Output("other", "other risk", unverified=("S0: ONE-SOURCE",))
NAMED = UserId("Practitioner", "12")
SOMEONE = UserId("Practitioner", "13")


def policy(**states: str) -> Policy:
    return Policy(
        ceilings={name.replace("_", "-"): ReleaseState(state) for name, state in states.items()},
        pilots={"test-service": frozenset({"Practitioner/12"})},
    )


def test_a_service_that_the_site_does_not_name_is_live_where_the_gate_allows() -> None:
    assert policy().release(a_service()).state is ReleaseState.LIVE


@pytest.mark.parametrize("state", list(ReleaseState))
def test_the_site_file_is_the_ceiling(state: ReleaseState) -> None:
    assert policy(test_service=state.value).release(a_service()).state is state


def test_a_service_none_of_whose_outputs_is_verified_is_at_most_in_pilot() -> None:
    service = a_service(assessors=(AnAssessor(outputs=(DOUBTFUL,)),))
    release = policy(test_service="live").release(service)
    assert (release.state, release.ceiling) == (ReleaseState.PILOT, ReleaseState.PILOT)
    assert "test-model other: pilot at most (S0: ONE-SOURCE)" in release.reasons


def test_one_verified_output_keeps_the_service_live_and_the_reason_names_the_other() -> None:
    service = a_service(assessors=(AnAssessor(outputs=(VERIFIED, DOUBTFUL)),))
    release = policy().release(service)
    assert release.state is ReleaseState.LIVE
    assert release.reasons == ("test-model other: pilot at most (S0: ONE-SOURCE)",)


@pytest.mark.parametrize(
    ("state", "user", "is_shown"),
    [
        ("live", None, True),
        ("live", SOMEONE, True),
        ("pilot", NAMED, True),
        ("pilot", SOMEONE, False),
        ("pilot", None, False),
        ("shadow", NAMED, False),
        ("paused", NAMED, False),
        ("off", NAMED, False),
    ],
)
def test_who_sees_the_cards(state: str, user: UserId | None, *, is_shown: bool) -> None:
    assert policy(test_service=state).is_shown_to(a_service(), user) is is_shown


def test_what_rests_on_unverified_values_is_left_out_and_the_rest_kept() -> None:
    assessment = Assessed(
        ModelReference("m", "1"),
        {"risk": 0.1, "other": 0.2},
        unverified={"other": ("S0: ONE-SOURCE",), "risk": ()},
        alternatives={"female": {"risk": 0.1, "other": 0.3}},
    )
    shown = without_unverified(assessment)
    assert isinstance(shown, Assessed)
    assert shown.results == {"risk": 0.1}
    assert shown.alternatives == {"female": {"risk": 0.1}}


def test_the_page_of_a_service_on_a_loopback_base_is_linked_there_and_https_stays_https() -> None:
    assert policy().page_of(a_service()).url == "http://127.0.0.1:8000/services/test-service"
    secure = Policy(base_url="https://chartside.hospital.example")
    assert secure.page_of(a_service()).url == "https://chartside.hospital.example/services/test-service"
