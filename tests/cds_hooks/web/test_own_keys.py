"""Our own public keys at /.well-known/jwks.json."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.web.own_keys import OwnKeys
from cds_hooks.web.settings import Authentication, Settings
from cds_hooks.web.startup import CannotStart, check
from fhir_client.signing_keys import make
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import NOW, an_edge

OFF = Settings(authentication=Authentication.OFF)


def with_keys(folder: Path) -> Path:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    make(keys, "ES384", signs_from=datetime(2024, 1, 1, tzinfo=UTC))
    return keys


def count(published: OwnKeys) -> int:
    return len(orjson.loads(published.key_set().data)["keys"])


def test_our_keys_are_open_to_all_and_hold_nothing_private(tmp_path: Path) -> None:
    """[FHIR-20, FHIR-21, FHIR-22] The key set answers without authentication, cacheable, without private members."""
    settings = Settings(signing_keys=with_keys(tmp_path))  # authentication is required, and no client is known
    with an_edge(tmp_path, settings=settings) as edge:
        answer = edge.http.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    (key,) = answer.json["keys"]  # type: ignore[index]
    assert (key["kty"], key["crv"]) == ("EC", "P-384")
    assert {"kid", "x", "y"} <= set(key)
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)


def test_without_keys_the_set_is_empty(tmp_path: Path) -> None:
    with an_edge(tmp_path) as edge:
        assert edge.http.get("/.well-known/jwks.json").json == {"keys": []}


def test_a_new_key_is_published_within_a_minute_and_files_are_read_no_more_often(tmp_path: Path) -> None:
    keys, moments = with_keys(tmp_path), [0.0]
    published = OwnKeys(keys, now=lambda: NOW, timer=lambda: moments[-1])
    with an_edge(tmp_path) as edge, edge.http.application.app_context():
        assert count(published) == 1
        make(keys, "RS384", signs_from=datetime(2024, 1, 1, tzinfo=UTC), bits=2048)
        moments.append(59.0)
        assert count(published) == 1
        moments.append(60.0)
        assert count(published) == 2


def test_a_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    """[FHIR-37] Private keys come from files that nobody else may read; the start-up check says which are not."""
    keys = with_keys(tmp_path)
    (file,) = keys.iterdir()
    file.chmod(0o644)
    settings = replace(OFF, signing_keys=keys, database_url=f"sqlite:///{tmp_path / 'journal.db'}")
    with pytest.raises(CannotStart) as refused:
        check(settings, catalogue=Catalogue((a_service(),)))
    (fault,) = refused.value.faults
    assert fault.startswith(f"CHARTSIDE_SIGNING_KEYS: {file.name}: ")
