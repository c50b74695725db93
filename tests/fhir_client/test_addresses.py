from urllib.parse import urlsplit

import pytest

from fhir_client.addresses import LONGEST_LINK, BadAddress, Base, admitted, is_test_host

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


@pytest.mark.parametrize("path", ["Patient/..", "Patient/%2e%2e", "../admin"])
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
