"""Key sets that nobody should trust, through whole calls: where a client's keys should be, something else is."""

import gzip
import time

import pytest

from tests.attack.siege import DEADLINE_SECONDS, EVIL, NAMES, Siege, serve
from tests.cds_hooks.web.signing import JKU, a_key, a_key_set
from tests.fhir_stub import Says

ELSEWHERE = f"{EVIL}/keys.json"
KEY_SET = a_key_set(a_key())
UNFIT = {
    **{f"{status} elsewhere": Says(b"", status, {"Location": ELSEWHERE}) for status in (301, 302, 303, 307, 308)},
    "back to the same address": Says(KEY_SET, 302, {"Location": JKU}),
    "to a metadata service": Says(b"", 307, {"Location": "http://169.254.169.254/latest/meta-data/"}),
    "too large": Says(b'{"keys": [' + b" " * 2_000_000 + b"]}"),
    "a gzip bomb": Says(gzip.compress(b'{"keys": [' + b" " * 20_000_000 + b"]}"), headers={"Content-Encoding": "gzip"}),
    "deeply nested": Says(b'{"keys": ' + b"[" * 100_000),
    "a shared secret": Says(a_key_set({"kty": "oct", "k": "AAAA", "kid": "key-1", "alg": "HS256"})),
    "for encryption": Says(a_key_set(a_key().jwk | {"use": "enc"})),
    "no point of the curve": Says(a_key_set(a_key().jwk | {"x": "AAAA"})),
    "slow": Says(KEY_SET, delay=2.0),
    "dripping": Says(KEY_SET, pieces=len(KEY_SET), pause=0.05),
    "an error": Says(KEY_SET, 500),
    "a connection reset": Says(KEY_SET, resets=True),
    "a page": Says(b"<html>no keys here</html>", media_type="text/html"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_key_set_that_cannot_be_trusted_trusts_nobody(hurried: Siege, name: str) -> None:
    """[SEC-20, FHIR-75] No redirect, bounded in size and time: whoever comes meanwhile is refused, and in time."""
    host = NAMES[list(UNFIT).index(name)]
    serve(hurried.ehr, "GET", f"/{host}.json", UNFIT[name])
    heard, started = len(hurried.ehr.asked), time.monotonic()
    assert hurried.call(iss=f"https://{host}/cds").status_code == 401
    assert time.monotonic() - started < DEADLINE_SECONDS + 0.2
    assert hurried.call(iss=f"https://{host}/cds").status_code == 401
    asked = hurried.heard_since(heard)
    assert [each.path for each in asked] == [f"/{host}.json"], "within half a minute nobody is asked again"
    assert "Authorization" not in asked[0].headers
