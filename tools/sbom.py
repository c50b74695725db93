"""The software bill of materials: what Chartside runs on, as CycloneDX 1.6 JSON.

`python -m tools.sbom --output FILE` reads a lock file for names, versions and hashes, and the installed packages for
licences and for who needs whom. It holds what the lock installs on this platform. The same lock and packages give the
same bytes; a timestamp is in it only where SOURCE_DATE_EPOCH says which. No address of a registry is in it.
"""

import argparse
import json
import os
import re
import sys
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements" / "postgres.txt"
PRODUCT = "chartside"
EXTRAS = {"postgres": "psycopg"}  # of ours: a lock serves an extra if it has this package

_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\\\n]+?))?\s*((?:\\\n\s+--hash=sha256:[0-9a-f]{64}\s*)+)", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# A name for the serial numbers of these documents, drawn once: equal content has an equal number.
_NAMESPACE = UUID("5b0a5c3f-6d0b-4ad3-9c1e-6f7d1c6a8d52")
_LONGEST_LICENCE = 60  # past that it is no name but the text itself


class Mismatch(Exception):
    """The installed packages are not those of the lock: their licences would be those of something else."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock: a version, and the hash of each file that may be installed for it."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Give the package URL, which names the kind of registry and not its address."""
        return f"pkg:pypi/{self.name}@{quote(self.version, safe='.!-_~')}"


def pins(lock: str) -> list[Pin]:
    """Read every pin of a lock that holds on this platform, by name."""
    found = [
        Pin(canonicalize_name(match[1]), match[2], tuple(sorted(_HASH.findall(match[4]))))
        for match in _PIN.finditer(lock)
        if not match[3] or Marker(match[3]).evaluate()
    ]
    return sorted(found, key=lambda pin: pin.name)


def document(lock: str, *, project: Mapping[str, Any], epoch: int | None = None) -> dict[str, Any]:
    """Make the bill of materials of a lock, for the project that pyproject.toml describes.

    Raises:
        Mismatch: a pinned package is not installed, is another version, or one that is needed is not locked.
    """
    locked = {pin.name: (pin, _installed(pin)) for pin in pins(lock)}
    needs = _needs(_wanted(project, locked), {name: found for name, (_, found) in locked.items()})
    purl = f"pkg:pypi/{PRODUCT}@{project['version']}"
    licences = [{"expression": project["license"], "acknowledgement": "declared"}]
    root = {"type": "application", "bom-ref": purl, "purl": purl, "name": PRODUCT, "version": project["version"]}
    references = {PRODUCT: purl, **{name: pin.purl for name, (pin, _) in locked.items()}}
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {**_timestamp(epoch), "component": {**root, "licenses": licences}},
        "components": [_component(pin, found, needed=pin.name in needs) for pin, found in locked.values()],
        "dependencies": [
            {"ref": references[name], "dependsOn": sorted(references[other] for other in others)}
            for name, others in sorted(needs.items())
        ],
    }
    return {**body, "serialNumber": f"urn:uuid:{uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))}"}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Write the bill of materials to a file or to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description=__doc__)
    parser.add_argument("--lock", type=Path, default=LOCK, help="the lock file (default: requirements/postgres.txt)")
    parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    options = parser.parse_args(arguments)
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    try:
        made = document(
            options.lock.read_text(encoding="utf-8"),
            project=tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"],
            epoch=int(epoch) if epoch else None,
        )
    except Mismatch as error:
        print(error, file=sys.stderr)
        return 1
    text = json.dumps(made, indent=2, sort_keys=True) + "\n"
    if options.output is None:
        print(text, end="")
        return 0
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(f"{len(made['components'])} components: {options.output}")
    return 0


def _installed(pin: Pin) -> Distribution:
    try:
        found = distribution(pin.name)
    except PackageNotFoundError:
        raise Mismatch(f"{pin.name} {pin.version} is locked and not installed") from None
    if found.version != pin.version:
        raise Mismatch(f"{pin.name} {pin.version} is locked and {found.version} is installed")
    return found


def _wanted(project: Mapping[str, Any], locked: Container[str]) -> list[str]:
    """Tell what the product asks for itself, with those extras of its own that the lock serves."""
    extras = [project["optional-dependencies"][extra] for extra, package in EXTRAS.items() if package in locked]
    return [*project["dependencies"], *chain.from_iterable(extras)]


def _needs(wanted: Iterable[str], locked: Mapping[str, Distribution]) -> dict[str, set[str]]:
    """Tell who needs whom, from the product on; what nothing needs while it runs is not in the answer."""
    needs: dict[str, set[str]] = {}
    seen: dict[str, set[str]] = {}
    waiting: list[tuple[str, Iterable[str], set[str]]] = [(PRODUCT, wanted, set())]
    while waiting:
        name, texts, extras = waiting.pop()
        if name in seen and extras <= seen[name]:
            continue
        seen.setdefault(name, set()).update(extras)
        for requirement in _requirements(texts, seen[name]):
            other = canonicalize_name(requirement.name)
            if other not in locked:
                raise Mismatch(f"{name} needs {other}, which is not locked")
            needs.setdefault(name, set()).add(other)
            needs.setdefault(other, set())
            waiting.append((other, locked[other].requires or (), set(requirement.extras)))
    return needs


def _requirements(texts: Iterable[str], extras: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _component(pin: Pin, found: Distribution, *, needed: bool) -> dict[str, Any]:
    declared = _licences(found)
    return {
        "type": "library",
        "bom-ref": pin.purl,
        "purl": pin.purl,
        "name": _field(found, "Name"),
        "version": pin.version,
        # excluded: it builds the product, and is not needed where that runs.
        "scope": "required" if needed else "excluded",
        # One for each file that the lock admits; which of them was installed depends on the platform.
        "hashes": [{"alg": "SHA-256", "content": content} for content in pin.hashes],
        **({"licenses": declared} if declared else {}),
    }


def _licences(found: Distribution) -> list[dict[str, Any]]:
    """Say what the package declares: an SPDX expression, or else the words it uses."""
    expression = _field(found, "License-Expression")
    if expression:
        return [{"expression": expression, "acknowledgement": "declared"}]
    words = _field(found, "License")
    names = [words] if words and len(words) <= _LONGEST_LICENCE and "\n" not in words else []
    if not names:
        classifiers = found.metadata.get_all("Classifier") or ()
        names = sorted({text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")})
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in names]


def _field(found: Distribution, name: str) -> str:
    return str(found.metadata[name]).strip() if name in found.metadata else ""


def _timestamp(epoch: int | None) -> dict[str, str]:
    return {} if epoch is None else {"timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")}


if __name__ == "__main__":
    sys.exit(main())
