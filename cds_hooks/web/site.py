"""What a hospital decides, as the file behind CHARTSIDE_SITE says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cds_hooks.policy import ReleaseState
from cds_hooks.web.tables import Table
from fhir_client.codes import Code
from models.site import Site

REGIONS = ("north-america", "other", "united-kingdom")
STROKE_SCORES = ("cha2ds2-va", "cha2ds2-vasc")
ACVPU = ("A", "C", "V", "P", "U")
LONGEST_WINDOW = 24 * 60
_NO_RELEASES: Mapping[str, ReleaseState] = MappingProxyType({})
_NO_PILOTS: Mapping[str, frozenset[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SiteFile:
    """One hospital's file: its clinical settings, how far each service is released, and to whom."""

    site: Site = field(default_factory=Site)
    demonstration: bool = False
    ceilings: Mapping[str, ReleaseState] = field(default_factory=lambda: _NO_RELEASES)
    pilots: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NO_PILOTS)
    remember_overrides: bool = True

    @property
    def named_services(self) -> frozenset[str]:
        """Give the ids of the services that the file says something about."""
        return frozenset(self.ceilings) | frozenset(self.pilots)


def read_site(path: Path, *, name: str, faults: list[str]) -> SiteFile:
    """Read the file; what is wrong with it is added to `faults`."""
    file = Table.from_file(path, name=name, faults=faults)
    result = SiteFile(
        site=_clinical(file),
        demonstration=file.truth("demonstration", default=False),
        ceilings=_ceilings(file.table("release")),
        pilots=_pilots(file.table("pilot")),
        remember_overrides=_remembers(file.table("quiet")),
    )
    file.close()
    return result


def _clinical(file: Table) -> Site:
    usual = Site()
    consciousness = file.table("consciousness")
    observations = consciousness.texts("observations") or ()
    codes = frozenset(code for text in observations if (code := _code(consciousness, "observations", text)))
    answers = _answers(consciousness.table("answers"))
    consciousness.close()
    minutes = file.whole("news2_window_minutes", low=1, high=LONGEST_WINDOW)
    return Site(
        kidney_failure_region=file.choice("kidney_failure_region", REGIONS, "") or None,
        stroke_score=file.choice("stroke_score", STROKE_SCORES, usual.stroke_score),
        unreadable_conditions_limit=file.number(
            "unreadable_conditions_limit", usual.unreadable_conditions_limit, low=0, high=1
        ),
        snomed=file.truth("snomed", default=usual.snomed),
        news2_window_minutes=usual.news2_window_minutes if minutes is None else minutes,
        consciousness_codes=codes,
        consciousness_answers=answers,
    )


def _code(table: Table, key: str, text: str) -> Code | None:
    system, bar, code = text.partition("|")
    if not (system and bar and code):
        table.fault(key, "must be written as system|code")
        return None
    return Code(system, code)


def _answers(table: Table) -> Mapping[Code, str]:
    answers = {}
    for key in table.values:
        letter = table.choice(key, ACVPU, "")
        code = _code(table, key, key)
        if letter and code is not None:
            answers[code] = letter
    return MappingProxyType(answers)


def _ceilings(table: Table) -> Mapping[str, ReleaseState]:
    states = tuple(state.value for state in ReleaseState)
    named = {service: table.choice(service, states, "") for service in table.values}
    return MappingProxyType({service: ReleaseState(state) for service, state in named.items() if state})


def _pilots(table: Table) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({service: frozenset(table.texts(service) or ()) for service in table.values})


def _remembers(table: Table) -> bool:
    remembers = table.truth("remember_overrides", default=True)
    table.close()
    return remembers
