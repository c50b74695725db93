"""Every faulty token at every door of the whole service: its own key sets, its own replay store, its own journal."""

from typing import Any

import pytest

from tests.attack.siege import (
    FHIR,
    OTHER_ISSUER,
    OTHER_KEY,
    SERVICE,
    Siege,
    a_bare_call,
    signed,
)
from tests.cds_hooks.web.edge import CORRELATION, an_override
from tests.cds_hooks.web.signing import AUDIENCE, SigningKey, a_key, a_token, bearer, some_claims
from tests.cds_hooks.web.test_token_attacks import FAULTS

CALL, FEEDBACK, DISCOVERY = "/cds-services/test-service", "/cds-services/test-service/feedback", "/cds-services"
# A line break cannot be sent in a header; what arrives in its place is in test_the_running_service.
SENDABLE = {name: header for name, (header, _) in FAULTS.items() if header is not None and "\n" not in header}
# Faults of a call that are none elsewhere: there the audience is another.
RIGHT_ELSEWHERE = {"the aud of feedback": FEEDBACK, "discovery's aud": DISCOVERY}
TABLES = ("invocations", "cards", "feedback", "unclaimed_feedback", "refusals")


@pytest.mark.parametrize("name", SENDABLE)
def test_a_faulty_token_opens_no_door(siege: Siege, name: str) -> None:
    """[SEC-27, SEC-28] Refused alike at each endpoint, nothing of the request is read or kept, nobody is asked."""
    kept = [siege.count(table) for table in TABLES]
    heard = len(siege.ehr.asked)
    headers = {"Authorization": SENDABLE[name], "X-Request-Id": CORRELATION}
    answers = []
    for path in (CALL, FEEDBACK, DISCOVERY):
        if RIGHT_ELSEWHERE.get(name) != path:
            body: Any = {"feedback": [an_override("a-card")]} if path == FEEDBACK else a_bare_call()
            answers.append(
                siege.http.get(path, headers=headers) if path == DISCOVERY else siege.post(path, body, headers)
            )
    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.data, repr(sorted(answer.headers))) for answer in answers}) == 1
    assert [siege.count(table) for table in TABLES] == kept
    assert siege.heard_since(heard) == []


def test_the_corpus_is_as_large_as_was_asked_for() -> None:
    assert len(SENDABLE) >= 40


def test_the_same_token_without_a_fault_opens_the_door(siege: Siege) -> None:
    headers = {"Authorization": bearer(a_token(some_claims(aud=AUDIENCE)))}
    assert siege.post(CALL, a_bare_call(), headers).status_code == 404, "let in: there is no such service"
    assert siege.call().status_code == 200


def test_a_token_is_good_for_one_use_at_one_door(siege: Siege) -> None:
    """[SEC-17, SEC-18] The same token again, at the same door or another: 401."""
    headers = signed()
    feedback = {"feedback": [an_override("a-card")]}
    assert siege.post(f"/cds-services/{SERVICE}", a_bare_call(), headers).status_code == 200
    assert siege.post(f"/cds-services/{SERVICE}", a_bare_call(), headers).status_code == 401
    assert siege.post(f"/cds-services/{SERVICE}/feedback", feedback, headers).status_code == 401
    assert siege.http.get("/cds-services", headers=headers).status_code == 401


def test_one_clients_key_signs_for_no_other(siege: Siege) -> None:
    """[SEC-22] A valid key of one issuer proves nothing under the name of another."""
    assert siege.post(f"/cds-services/{SERVICE}", a_bare_call(), signed(key=OTHER_KEY)).status_code == 401
    theirs = signed(key=OTHER_KEY, iss=OTHER_ISSUER)
    assert siege.post(f"/cds-services/{SERVICE}", a_bare_call(), theirs).status_code == 412, "FHIR is not on its list"


def test_a_client_reads_only_from_its_own_servers(siege: Siege) -> None:
    """[FHIR-70] A neighbour's FHIR base with an own identity is not called."""
    heard = len(siege.ehr.asked)
    answer = siege.post(f"/cds-services/{SERVICE}", a_bare_call(FHIR), signed(key=OTHER_KEY, iss=OTHER_ISSUER))
    assert answer.status_code == 412
    assert siege.heard_since(heard) == []


def test_anothers_card_takes_no_feedback(siege: Siege) -> None:
    """[FB-18] Feedback on another client's card, or another tenant's: 200, and nothing stored with the card."""
    card = siege.call(tenant="north").json["cards"][0]["uuid"]  # type: ignore[index]
    path, said = f"/cds-services/{SERVICE}/feedback", {"feedback": [an_override(card)]}
    stored, unclaimed = siege.count("feedback"), siege.count("unclaimed_feedback")
    strangers = [
        signed(key=OTHER_KEY, iss=OTHER_ISSUER, tenant="north"),
        signed(tenant="south"),
        signed(),
        signed(tenant="north "),
        signed(tenant="NORTH"),
    ]
    for headers in strangers:
        assert siege.post(path, said, headers).status_code == 200
    assert siege.count("feedback") == stored
    assert siege.count("unclaimed_feedback") == unclaimed + len(strangers)
    siege.post(path, said, signed(tenant="north"))
    assert siege.count("feedback") == stored + 1


def test_a_flood_of_invented_key_ids_asks_for_the_keys_once(siege: Siege) -> None:
    """[SEC-22] Unknown key ids cost a stranger nothing to invent."""
    siege.call()
    heard = len(siege.ehr.asked)
    for number in range(50):
        invented = SigningKey(f"invented-{number}", "ES384", a_key().private)
        assert siege.post(f"/cds-services/{SERVICE}", a_bare_call(), signed(key=invented)).status_code == 401
    assert len([each for each in siege.ehr.asked[heard:] if each.path == "/keys.json"]) <= 1
    assert siege.call().status_code == 200
