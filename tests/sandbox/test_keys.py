"""The EHR's signing keys: what is published when, and what outlives a restart."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.choices import ALGORITHMS, Algorithm
from sandbox.keys import KEPT, LEAD, OVERLAP, Keys, UnreadableKeys

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def ids(keys: Keys) -> list[str]:
    return [key["kid"] for key in keys.published()["keys"]]


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("ES384", {"kty": "EC", "crv": "P-384"}), ("RS384", {"kty": "RSA", "e": "AQAB"})]
)
def test_what_is_published_is_public_and_says_what_it_is_for(algorithm: Algorithm, kind: dict[str, str]) -> None:
    keys = Keys(Clock(), algorithm=algorithm)

    (published,) = keys.published()["keys"]
    assert published.keys() & PRIVATE == set()
    assert published.items() >= {**kind, "kid": keys.current.id, "alg": algorithm, "use": "sig"}.items()


def test_a_new_key_is_published_before_it_signs_and_the_old_one_after_it_did() -> None:
    clock = Clock()
    keys = Keys(clock)
    old = keys.current.id

    new = keys.rotate().id
    assert (keys.current.id, keys.newest.id, ids(keys)) == (old, new, [new, old])
    clock.now += LEAD
    assert (keys.current.id, ids(keys)) == (new, [new, old])
    clock.now += OVERLAP
    assert (keys.current.id, ids(keys)) == (new, [new])


def test_no_key_signs_before_every_kept_key_set_has_run_out() -> None:
    assert LEAD >= KEPT


def test_a_key_that_waits_for_its_time_is_not_replaced() -> None:
    keys = Keys(Clock())

    assert keys.rotate().id == keys.rotate().id
    assert len(ids(keys)) == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_restarted_ehr_has_the_keys_it_had(tmp_path: Path, algorithm: Algorithm) -> None:
    clock, path = Clock(), tmp_path / "of-the-ehr" / "keys.json"
    before = Keys(clock, path=path, algorithm=algorithm)
    before.rotate()

    after = Keys(clock, path=path)
    assert after.current.id == before.current.id
    assert after.published() == before.published()
    clock.now += LEAD
    assert after.current.id == before.newest.id


def test_another_algorithm_takes_over_at_once(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "keys.json"
    old = Keys(clock, path=path).current

    keys = Keys(clock, path=path, algorithm="RS384")
    assert keys.current.algorithm == "RS384"
    assert ids(keys) == [keys.current.id, old.id]


def test_the_file_is_its_owners_alone_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    Keys(Clock(), path=path).rotate()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["keys.json"]


def test_a_key_never_shows_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = Keys(Clock(), path=path).current

    secret = orjson.loads(path.read_bytes())["keys"][0]["d"]
    assert secret not in repr(key)
    assert "private" not in repr(key)


def a_key(**changes: Any) -> dict[str, Any]:
    return {**Keys(Clock()).current.secret(), **changes}


def test_keys_made_elsewhere_are_read_and_the_first_signs(tmp_path: Path) -> None:
    path, first = tmp_path / "keys.json", a_key(kid="mine")
    del first["signs_from"]
    path.write_bytes(orjson.dumps({"keys": [first]}))

    assert Keys(Clock(), path=path).current.id == "mine"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"keys": []}',
        b'{"keys": ["x"]}',
        b'{"keys": [{"kty": "EC", "kid": "x", "alg": "ES384"}]}',
        orjson.dumps({"keys": [a_key(alg="HS256")]}),
        orjson.dumps({"keys": [a_key(kid=None)]}),
        orjson.dumps({"keys": [a_key(signs_from="soon")]}),
        orjson.dumps({"keys": [a_key(kid="twin"), a_key(kid="twin")]}),
        orjson.dumps(Keys(Clock()).published()),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)

    with pytest.raises(UnreadableKeys, match=r"keys\.json"):
        Keys(Clock(), path=path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UnreadableKeys, match=r"keys\.json: cannot be written"):
        Keys(Clock(), path=tmp_path / "file" / "keys.json")


def test_keys_are_kept_longer_than_a_token_lives() -> None:
    assert timedelta(minutes=5) < OVERLAP
