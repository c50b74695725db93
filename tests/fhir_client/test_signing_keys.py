import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from fhir_client.signing_keys import (
    OVERLAP,
    PUBLISHED_SECONDS,
    NoSuchKey,
    SigningKey,
    SigningKeys,
    UnfitKeys,
    make,
    public_key_set,
    retire,
    rotate,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BITS = 2048  # quicker to make than those of the product
BOTH = ("ES384", "RS384")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "keys"
    for algorithm in BOTH:
        make(folder, algorithm, signs_from=NOW, bits=BITS)
    return folder


@pytest.fixture
def directory(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "keys"))


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))


def signed_by(key: SigningKey) -> str:
    return jwt.encode({"iss": "us"}, key.private, algorithm=key.algorithm, headers={"kid": key.id})


def test_a_key_set_shows_no_private_member(directory: Path) -> None:
    """[FHIR-20] Register a public key set; it shows no private members (`d`, `p`, `q`...)."""
    keys = public_key_set(directory, NOW)["keys"]
    assert len(keys) == 2
    for key in keys:
        assert set(key) <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}
    private = [orjson.loads(path.read_bytes()) for path in directory.iterdir()]
    told = orjson.dumps(keys).decode()
    for jwk in private:
        assert jwk["d"]
        assert not any(jwk[member] in told for member in ("d", "p", "q", "dp", "dq", "qi") if member in jwk)


def test_each_key_says_what_it_is(directory: Path) -> None:
    """[FHIR-22] Each JWK has kty and kid; RSA n and e; EC crv, x, y."""
    by_type = {key["kty"]: key for key in public_key_set(directory, NOW)["keys"]}
    assert set(by_type["EC"]) == {"kty", "kid", "crv", "x", "y", "alg", "use"}
    assert set(by_type["RSA"]) == {"kty", "kid", "n", "e", "alg", "use"}
    assert (by_type["EC"]["crv"], by_type["EC"]["alg"], by_type["RSA"]["alg"]) == ("P-384", "ES384", "RS384")
    assert len({key["kid"] for key in by_type.values()}) == 2


@pytest.mark.parametrize("algorithm", BOTH)
def test_what_a_key_signs_is_verified_by_the_set(directory: Path, algorithm: str) -> None:
    """[FHIR-25] The client can sign with RS384 and ES384."""
    key = SigningKeys.read(directory).signing([algorithm], NOW)
    published = jwt.PyJWKSet.from_dict(public_key_set(directory, NOW))
    assert jwt.decode(signed_by(key), published[key.id].key, algorithms=[algorithm]) == {"iss": "us"}


def test_a_key_is_readable_for_its_owner_only(directory: Path) -> None:
    """[FHIR-37] Private keys come from files."""
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in directory.iterdir()] == [0o600, 0o600]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o610])
def test_a_key_that_others_may_read_is_refused(directory: Path, mode: int) -> None:
    """[FHIR-37] Private keys come from files: start-up check."""
    path = min(directory.iterdir())
    path.chmod(mode)
    with pytest.raises(UnfitKeys) as refused:
        SigningKeys.read(directory)
    assert refused.value.faults == (f"{path.name}: others than its owner may read it: its mode must be 0600",)


def test_a_rotated_key_is_published_first_and_signs_after_the_overlap(directory: Path) -> None:
    """[FHIR-21] On rotation old and new keys overlap: two keys published; signing uses the newer after the overlap."""
    old = SigningKeys.read(directory).signing(["ES384"], NOW)
    (new, _) = rotate(directory, now=NOW, bits=BITS)
    assert new.signs_from == NOW + OVERLAP

    def at(after: timedelta) -> tuple[str, list[str]]:
        keys = public_key_set(directory, NOW + after)["keys"]
        published = [key["kid"] for key in keys if key["alg"] == "ES384"]
        return SigningKeys.read(directory).signing(["ES384"], NOW + after).id, published

    second = timedelta(seconds=1)
    assert at(timedelta()) == (old.id, [old.id, new.id])
    assert at(OVERLAP - second) == (old.id, [old.id, new.id])
    assert at(OVERLAP) == (new.id, [old.id, new.id])
    assert at(2 * OVERLAP - second) == (new.id, [old.id, new.id])
    assert at(2 * OVERLAP) == (new.id, [new.id])


def test_whoever_keeps_the_set_knows_a_key_before_it_signs() -> None:
    """[FHIR-21] The key set carries Cache-Control: shorter than the overlap."""
    assert 0 < PUBLISHED_SECONDS < OVERLAP.total_seconds() / 2


def test_only_what_is_published_no_longer_is_retired(directory: Path) -> None:
    old = {key.id for key in SigningKeys.read(directory).keys}
    new = {key.id for key in rotate(directory, now=NOW, bits=BITS)}
    assert retire(directory, now=NOW + OVERLAP) == []
    assert set(retire(directory, now=NOW + 2 * OVERLAP)) == old
    assert {key.id for key in SigningKeys.read(directory).keys} == new
    assert {path.stem for path in directory.iterdir()} == new


def test_the_key_that_signs_is_not_retired(directory: Path) -> None:
    signing = SigningKeys.read(directory).signing(["RS384"], NOW)
    with pytest.raises(NoSuchKey, match="rotate first"):
        retire(directory, now=NOW, key_id=signing.id)
    rotate(directory, now=NOW, bits=BITS)
    with pytest.raises(NoSuchKey, match="rotate first"):
        retire(directory, now=NOW, key_id=signing.id)
    assert len(list(directory.iterdir())) == 4


def test_a_key_that_leaked_goes_at_once(directory: Path) -> None:
    leaked = SigningKeys.read(directory).signing(["ES384"], NOW)
    later = NOW + timedelta(hours=1)
    rotate(directory, now=later, overlap=timedelta(), bits=BITS)
    assert retire(directory, now=later, key_id=leaked.id) == [leaked.id]
    assert leaked.id not in {key["kid"] for key in public_key_set(directory, later)["keys"]}


def test_a_successor_begins_after_the_key_it_follows(directory: Path) -> None:
    old = SigningKeys.read(directory).signing(["ES384"], NOW)
    (new, _) = rotate(directory, now=NOW, overlap=timedelta(), bits=BITS)
    assert new.signs_from == old.signs_from + timedelta(seconds=1)
    assert SigningKeys.read(directory).signing(["ES384"], new.signs_from).id == new.id


def test_an_unknown_key_cannot_be_retired(directory: Path) -> None:
    with pytest.raises(NoSuchKey, match="no key with this id"):
        retire(directory, now=NOW, key_id="../../etc/passwd")


def test_nothing_is_rotated_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(NoSuchKey):
        rotate(tmp_path, now=NOW)
    assert public_key_set(tmp_path, NOW) == {"keys": []}


@pytest.mark.parametrize(
    ("algorithms", "chosen"), [(BOTH, "ES384"), (["RS384"], "RS384"), (["RS256", "ES384"], "ES384")]
)
def test_a_key_is_chosen_that_the_server_takes(directory: Path, algorithms: list[str], chosen: str) -> None:
    """[FHIR-25] It picks one the server lists."""
    assert SigningKeys.read(directory).signing(algorithms, NOW).algorithm == chosen


@pytest.mark.parametrize("algorithms", [["RS256"], ["none"], ["HS256"], []])
def test_no_key_signs_with_what_we_do_not(directory: Path, algorithms: list[str]) -> None:
    with pytest.raises(NoSuchKey):
        SigningKeys.read(directory).signing(algorithms, NOW)


def test_a_key_that_does_not_sign_yet_is_not_used(directory: Path) -> None:
    with pytest.raises(NoSuchKey):
        SigningKeys.read(directory).signing(BOTH, NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    "make_key", [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, BITS)]
)
def test_a_hospitals_own_key_signs_at_once_and_stays_published(tmp_path: Path, make_key: Any) -> None:
    folder = tmp_path / "keys"
    written(folder / "of_the_hospital.pem", pem(make_key()))
    key = SigningKeys.read(folder).signing(BOTH, NOW)
    assert key.id == "of_the_hospital"
    published = jwt.PyJWKSet.from_dict(public_key_set(folder, NOW))
    assert jwt.decode(signed_by(key), published[key.id].key, algorithms=[key.algorithm]) == {"iss": "us"}
    (new,) = rotate(folder, now=NOW, bits=BITS)
    assert SigningKeys.read(folder).signing(BOTH, NOW + OVERLAP).id == new.id
    assert [key["kid"] for key in public_key_set(folder, NOW + 5 * OVERLAP)["keys"]] == ["of_the_hospital", new.id]


def test_all_that_is_wrong_is_named_at_once_and_no_key_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    curve = ec.generate_private_key(ec.SECP384R1())
    jwk = {**jwt.algorithms.ECAlgorithm.to_jwk(curve, as_dict=True), "kid": "other"}
    public = jwt.algorithms.ECAlgorithm.to_jwk(curve.public_key(), as_dict=True)
    written(folder / "a.pem", pem(ed25519.Ed25519PrivateKey.generate()))
    written(folder / "b.pem", pem(ec.generate_private_key(ec.SECP256R1())))
    written(folder / "c.pem", pem(curve, BestAvailableEncryption(b"canary-password")))
    written(folder / "d.pem", b"canary-no-key")
    written(folder / "e.json", orjson.dumps(jwk))
    written(folder / "f.json", orjson.dumps(public))
    written(folder / "g.json", b"[1]")
    written(folder / "h.json", b'{"kty": "EC", "d": "canary"}')
    written(folder / "i.txt", b"")
    written(folder / "-j.pem", pem(curve))
    written(folder / "k.pem", pem(ec.generate_private_key(ec.SECP521R1())))
    written(folder / "l.json", b'{"kty": "oct", "k": "canary"}')
    (folder / "m.json").mkdir(mode=0o700)
    written(folder / "n.json", orjson.dumps({**jwk, "kid": "n"}))
    written(folder / "n.pem", pem(curve))
    with pytest.raises(UnfitKeys) as refused:
        SigningKeys.read(folder)
    unfit = "holds neither a P-384 nor an RSA private key of 2048 bits or more"
    assert refused.value.faults == (
        "-j.pem: is not named like a key: ID.json or ID.pem",
        f"a.pem: {unfit}",
        f"b.pem: {unfit}",
        "c.pem: holds no private key without a password",
        "d.pem: holds no private key without a password",
        "e.json: holds a key with another id than its name",
        f"f.json: {unfit}",
        "g.json: holds no private JWK",
        "h.json: holds no private JWK",
        "i.txt: is not named like a key: ID.json or ID.pem",
        f"k.pem: {unfit}",
        "l.json: holds no private JWK",
        "m.json: cannot be read",
        "n.pem: another file has the same name, and so the key the same id",
    )


def test_a_directory_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UnfitKeys, match="the directory of the signing keys cannot be read"):
        SigningKeys.read(tmp_path / "nothing")


def test_a_key_half_written_is_no_key(directory: Path) -> None:
    written(directory / ".es384-draft.json", b"{")
    assert len(SigningKeys.read(directory).keys) == 2


def test_a_key_is_not_shown(directory: Path) -> None:
    """[FHIR-81] Keys are never put in exceptions or logs."""
    keys = SigningKeys.read(directory)
    assert repr(keys) == f"SigningKeys(keys=({', '.join(f'SigningKey({key.id})' for key in keys.keys)}))"
