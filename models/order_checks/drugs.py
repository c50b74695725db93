"""The drugs that rules speak of, by name: single ingredients, classes, and products of several ingredients.

A name is, in this order, one of `drugs.toml`, or a code set of RxNorm ingredients (`code_sets/<name>.toml`).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fhir_client.codes import RXNORM
from fhir_client.medications import unverified_ingredients
from models.concepts import concept
from models.errors import ParametersRejected
from models.parameters import Label, checked_label

_FILE: Final = Path(__file__).with_name("drugs.toml")
_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
ANY: Final = "any"
"""The name that every drug answers to."""


@dataclass(frozen=True, slots=True)
class Drugs:
    """One meaning: any of the ingredients, or with `together` a product that holds all of them.

    `labels` names what is not VERIFIED about the codes, by code; a class that is doubtful as a whole is so for each.
    """

    name: str
    title: str
    codes: Mapping[str, str]
    together: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS)

    def matched(self, ingredients: frozenset[str]) -> frozenset[str]:
        """Give the ingredients of a drug that answer to this name: none if it does not."""
        found = ingredients.intersection(self.codes)
        return frozenset() if self.together and len(found) < len(self.codes) else found

    def printed(self, matched: frozenset[str]) -> str:
        """Name what was matched, for a reader."""
        return self.title if self.together else " and ".join(sorted(self.codes[code] for code in matched))

    def remarks(self, matched: frozenset[str]) -> tuple[str, ...]:
        """Say which of the matched codes rest on too little to be live."""
        doubtful = {**unverified_ingredients(), **self.labels}
        return tuple(f"RxNorm {code}: {doubtful[code]}" for code in sorted(matched.intersection(doubtful)))


@cache
def drugs(name: str) -> Drugs:
    """Look drugs up by name.

    Raises:
        ParametersRejected: there are none of that name, or a file is not of its form.
    """
    own = _own()
    return own[name] if name in own else _of_code_set(name)


@cache
def _own() -> Mapping[str, Drugs]:
    with _FILE.open("rb") as file:
        content = tomllib.load(file)
    if set(content) - {"ingredients", "class", "product"}:
        raise ParametersRejected(_FILE.name, "has an unknown key")
    found = {each.name: each for group in content.get("ingredients", ()) for each in _single(group)}
    for name, entry in content.get("product", {}).items():
        parts = [found[part] for part in entry["of"]]
        found[name] = _joined(name, entry["title"], parts, together=True)
    for name, entry in content.get("class", {}).items():
        parts = [found[part] if part in found else _of_code_set(part) for part in entry["of"]]
        found[name] = _joined(name, entry["title"], parts, together=False)
    return MappingProxyType(found)


def _of_code_set(name: str) -> Drugs:
    place = f"drugs: {name}"
    try:
        meaning = concept(name)
    except FileNotFoundError as error:
        raise ParametersRejected(place, "is neither in drugs.toml nor a code set") from error
    if any(group.system != RXNORM or group.prefixes for group in meaning.groups):
        raise ParametersRejected(place, "is a code set of something else than RxNorm ingredients")
    codes = {code: text for group in meaning.groups for code, text in group.codes.items()}
    labels = {
        code: group.label.value for group in meaning.groups if not group.label.may_be_live for code in group.codes
    }
    return Drugs(name, meaning.title, MappingProxyType(codes), labels=MappingProxyType(labels))


def _single(group: Mapping[str, Any]) -> list[Drugs]:
    label, _ = checked_label(group, _FILE.name)
    doubt = "" if label.may_be_live else Label(label).value
    return [
        Drugs(
            text.replace(" ", "_").replace("-", "_"),
            text,
            MappingProxyType({code: text}),
            labels=MappingProxyType({code: doubt} if doubt else {}),
        )
        for code, text in group["codes"].items()
    ]


def _joined(name: str, title: str, parts: list[Drugs], *, together: bool) -> Drugs:
    codes = {code: text for part in parts for code, text in part.codes.items()}
    labels = {code: text for part in parts for code, text in part.labels.items()}
    return Drugs(name, title, MappingProxyType(codes), together, MappingProxyType(labels))
