import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fhir_client.addresses import LONGEST_LINK, BadAddress, Base, BoundToken, Reach, admitted, called, is_test_host

HOSTILE = json.loads((Path(__file__).parent / "hostile_addresses.json").read_text(encoding="utf-8"))
R4 = Base.parse("https://fhir.example/r4")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://fhir.example/r4", "https://fhir.example/r4"),
        ("https://fhir.example/r4/", "https://fhir.example/r4"),
        ("HTTPS://FHIR.Example:443/r4", "https://fhir.example/r4"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("http://[::1]:80/fhir/", "http://[::1]/fhir"),
    ],
)
def test_a_base_address_has_one_form(written: str, read: str) -> None:
    assert str(Base.parse(written)) == read


@pytest.mark.parametrize(
    "address",
    [
        "",
        "fhir.example/r4",
        "/r4",
        "ftp://fhir.example/r4",
        "file:///etc/passwd",
        "https:///r4",
        "https://user:secret@fhir.example/r4",
        "https://fhir.example@evil.example/r4",
        "https://fhir.example/r4?x=1",
        "https://fhir.example/r4#x",
        "https://fhir.example/r4?",
        "https://fhir.example\\@evil.example/r4",
        "https://fhir.exa\nmple/r4",
        "https://fhir.example/r4/../admin",
        "https://fhir.example/r4/%2e%2E/admin",
        "https://fhir.example:99999/r4",
        "https://[::1/r4",
    ],
)
def test_what_is_not_a_base_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(BadAddress) as refused:
        Base.parse(address)
    assert str(refused.value) == "not the base address of a FHIR server"


@pytest.mark.parametrize("base", ["https://fhir.example/r4", "https://fhir.example/r4/"])
def test_a_url_is_built_from_parts_and_encoded_once(base: str) -> None:
    """[FHIR-40] URLs are built from parts, with encoding of `|`, `,`, `$`, `+`, spaces; base with or without slash."""
    url = Base.parse(base).url(
        "Observation", [("code", "http://loinc.org|4548-4,a$b+c d"), ("patient", "1&_include=*")]
    )
    assert url == (
        "https://fhir.example/r4/Observation"
        "?code=http%3A%2F%2Floinc.org%7C4548-4%2Ca%24b%2Bc%20d&patient=1%26_include%3D%2A"
    )


@pytest.mark.parametrize(
    "path", ["Patient/..", "Patient/%2e%2e", "../admin", "Patient/..;", "Patient/a%2F..%2F..%2F..%2Fadmin"]
)
def test_a_url_never_leads_out_of_the_base(path: str) -> None:
    with pytest.raises(BadAddress):
        R4.url(path)


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://fhir.example/r4?_getpages=7&_offset=20", "https://fhir.example/r4?_getpages=7&_offset=20"),
        (
            "https://fhir.example:443/r4/Observation?cursor=a%7Cb",
            "https://fhir.example:443/r4/Observation?cursor=a%7Cb",
        ),
        ("Observation?cursor=2", "https://fhir.example/r4/Observation?cursor=2"),
        ("?cursor=2", "https://fhir.example/r4/?cursor=2"),
        ("/r4/Observation?cursor=2", "https://fhir.example/r4/Observation?cursor=2"),
    ],
)
def test_a_next_link_is_followed_as_it_stands(link: str, url: str) -> None:
    """[FHIR-42] `next` must have the origin and base path of the server in use; relative ones resolve against it."""
    assert R4.page(link) == url


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/r4/Observation?cursor=2",
        "http://fhir.example/r4/Observation?cursor=2",
        "https://fhir.example:8443/r4/Observation?cursor=2",
        "https://fhir.example/r45/Observation",
        "https://fhir.example/admin",
        "//evil.example/r4/Observation",
        "../admin",
        "/r4/%2e%2e/admin",
        "https://u:p@fhir.example/r4/Observation",
        "https://fhir.example\\@evil.example/r4",
        "javascript:alert(1)",
        "https://fhir.example/r4/\r\nHost: evil",
        "https://fhir.example/r4/Obser\tvation",
        "?cursor=" + "{" * LONGEST_LINK,
    ],
)
def test_a_next_link_that_leads_elsewhere_is_not_followed(link: str) -> None:
    """[FHIR-42] `next` must have the origin and base path of the server in use; else stop."""
    assert R4.page(link) is None


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("Medication/7", ("Medication", "7")),
        ("Medication/7/_history/2", ("Medication", "7")),
        ("https://fhir.example/r4/Medication/7", ("Medication", "7")),
        ("https://other.example/r4/Medication/7", None),
        ("https://fhir.example/r5/Medication/7", None),
        ("#med", None),
        ("urn:uuid:0a0b", None),
        ("Medication/..", None),
        ("Medication/7?_format=xml", None),
        ("", None),
    ],
)
def test_only_a_reference_to_this_server_is_resolved(reference: str, target: tuple[str, str] | None) -> None:
    assert R4.reference(reference) == target


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("https://fhir.example/r4", True),
        ("https://FHIR.example:443/r4/", True),
        ("https://fhir.example/r4/tenant-7", True),
        ("https://fhir.example/r4evil", False),
        ("https://fhir.example", False),
        ("https://fhir.example:8443/r4", False),
        ("http://fhir.example/r4", False),
        ("https://fhir.example.evil.example/r4", False),
        ("https://neighbour.example/r4", False),
        ("not an address", False),
    ],
)
def test_only_a_server_on_the_callers_list_is_admitted(address: str, is_admitted: bool) -> None:
    """[FHIR-70] `fhirServer` must match the allow-list bound to the caller's: scheme, host, port and path prefix."""
    base = admitted(address, servers=["https://fhir.example/r4/"])
    assert (base is not None) is is_admitted


def test_without_a_list_no_server_is_admitted() -> None:
    assert admitted("https://fhir.example/r4", servers=[]) is None


@pytest.mark.parametrize("address", [*HOSTILE["malformed"], *(url for url, _ in HOSTILE["barred"])])
def test_no_hostile_address_is_admitted(address: str) -> None:
    """[FHIR-70, FHIR-72] `fhirServer` must match the allow-list, exact after normalising: hostile values."""
    assert len(HOSTILE["malformed"]) > 60
    assert admitted(address, servers=["https://fhir.example/r4", "https://evil.example"]) is None


@pytest.mark.parametrize("address", HOSTILE["malformed"])
def test_a_hostile_address_is_no_base_next_link_or_reference(address: str) -> None:
    """[FHIR-75] The same checks hold for `next` and absolute references."""
    with pytest.raises(BadAddress):
        Base.parse(address)
    with pytest.raises(BadAddress):
        called(address)
    assert R4.reference(f"{address}/Patient/1") is None
    page = R4.page(address)
    assert page is None or R4.holds(page)  # a relative link stays on this server


def test_a_list_never_says_everything() -> None:
    """[FHIR-76] `*` is refused."""
    for listed in ("*", "https://*", "https://*.example", "https://*/r4"):
        with pytest.raises(BadAddress):
            Base.parse(listed)
        with pytest.raises(BadAddress):
            Reach(test_hosts=frozenset({listed}))


@pytest.mark.parametrize("port", [80, 443, 1443, 8080, 8443, 9443, 44300, 65535])
def test_a_port_where_web_servers_listen_is_no_odd_one(port: int) -> None:
    scheme = "http" if port == 80 else "https"
    assert Base.parse(f"{scheme}://fhir.example:{port}/r4").port == port


def test_a_reach_has_one_form_whatever_its_spelling() -> None:
    reach = Reach(test_hosts=frozenset({"http://LOCALHOST:80/", "http://127.0.0.1:8090"}))
    assert reach == Reach(test_hosts=frozenset({"http://localhost", "http://127.0.0.1:8090/"}))
    assert reach.is_test_host(Base.parse("http://localhost/fhir"))
    assert not reach.is_test_host(Base.parse("https://localhost/fhir"))
    assert not reach.is_test_host(Base.parse("http://127.0.0.1:8091"))


def test_an_address_is_called_as_it_stands() -> None:
    base, target = called("https://FHIR.example:8443/r4/Observation?code=a%7Cb&x")
    assert (str(base), target) == ("https://fhir.example:8443", "/r4/Observation?code=a%7Cb&x")
    assert called("https://fhir.example")[1] == "/"


@pytest.mark.parametrize(
    ("url", "is_given"),
    [
        ("https://fhir.example/r4", True),
        ("https://fhir.example:443/r4/Patient/1?x=1", True),
        ("https://fhir.example/r4evil", False),
        ("https://fhir.example/", False),
        ("http://fhir.example/r4", False),
        ("https://fhir.example:8443/r4", False),
        ("https://evil.example/r4", False),
        ("https://fhir.example@evil.example/r4", False),
        ("https://fhir.example/r4/../admin", False),
        ("Patient/1", False),
    ],
)
def test_a_token_is_given_for_its_own_base_only(url: str, is_given: bool) -> None:
    """[FHIR-71] A bearer token goes only to the origin it was issued for."""
    assert BoundToken("t0ken", R4).header(url) == ({"Authorization": "Bearer t0ken"} if is_given else None)


@pytest.mark.parametrize("token", ["", "canary\r\nX-Evil: 1", "canary two", "canary\x00", "canarÿ"])
def test_a_token_that_would_write_a_header_is_none(token: str) -> None:
    with pytest.raises(ValueError, match="not a bearer token") as refused:
        BoundToken(token, R4)
    assert "canary" not in str(refused.value)


def test_a_token_is_not_shown() -> None:
    assert repr(BoundToken("canary", R4)) == "BoundToken()"


def test_plain_http_is_for_listed_test_hosts() -> None:
    """[FHIR-70] https only, outside listed test hosts."""
    address = "http://127.0.0.1:8090/r4"
    assert admitted(address, servers=[address]) is None
    assert admitted(address, servers=[address], test_hosts=["http://127.0.0.1:8091"]) is None
    assert str(admitted(address, servers=[address], test_hosts=["http://127.0.0.1:8090"])) == address


def test_a_test_host_is_an_origin() -> None:
    base = Base.parse("http://127.0.0.1:8090/r4")
    assert is_test_host(base, ["http://127.0.0.1:8090/"])
    assert not is_test_host(base, ["https://127.0.0.1:8090"])
    assert urlsplit(str(base)).port == 8090
