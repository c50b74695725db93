"""Whatever a server publishes about itself, and whatever its token endpoint answers, is read or refused."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_client.addresses import Base
from fhir_client.authorization import _grant
from fhir_client.errors import BadResource
from fhir_client.smart_configuration import NotSmart, read_configuration
from tests.backend import JOB, NOW, PUBLISHED, SCOPE, TOKEN, shown

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["private_key_jwt", "ES384", "https://[", "/t"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(PUBLISHED)), VALUES), st.none() | st.just("https://configured.example/t"))
def test_any_document_is_read_or_refused(changes: dict[str, Any], configured: str | None) -> None:
    try:
        read = read_configuration({**PUBLISHED, **changes}, Base.parse("https://fhir.example/r4"), configured)
    except NotSmart:
        return
    assert set(read.algorithms) <= {"ES384", "RS384"}
    assert read.algorithms
    assert read.token_endpoint


@given(st.dictionaries(st.sampled_from(sorted(TOKEN)), VALUES))
def test_any_token_answer_is_read_or_refused(changes: dict[str, Any]) -> None:
    base = Base.parse("https://fhir.example/r4")
    try:
        read = _grant({**TOKEN, **changes}, base, SCOPE, JOB, now=NOW, skew=timedelta())
    except BadResource:
        return
    assert read.until > NOW
    assert shown(read).startswith("Bearer ")
