"""The releases of FHIR, by the version that a server states."""

import re
from enum import StrEnum
from typing import Final

_VERSION: Final = re.compile(r"(\d+\.\d+)(?:[.\-].*)?")
_PARAMETER: Final = re.compile(r';\s*fhirVersion\s*=\s*"?([^;"\s]+)', re.IGNORECASE)


class Release(StrEnum):
    """A release, by the version that stands for it in a media type (FHIR R4B, http.html 3.1.0.1.9)."""

    DSTU2 = "1.0"
    STU3 = "3.0"
    R4 = "4.0"
    R4B = "4.3"
    R5 = "5.0"


def release_of(version: str) -> Release | None:
    """Map a version by major and minor; None if it is of no release that we know (FHIR-10).

    >>> release_of("4.0.1")
    <Release.R4: '4.0'>
    """
    match = _VERSION.fullmatch(version)
    return next((release for release in Release if match is not None and match[1] == release.value), None)


def version_in(content_type: str) -> str | None:
    """Give the `fhirVersion` parameter of a media type, None without one (FHIR-12).

    >>> version_in("application/fhir+json; fhirVersion=4.0; charset=utf-8")
    '4.0'
    """
    match = _PARAMETER.search(content_type)
    return None if match is None else match[1]
