"""Reads patients from files: any folder, archive or file of bundles, resources or NDJSON."""

import gzip
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

_NAMESPACE: Final = uuid.UUID("5b0c1c1e-54e1-4c1c-8f3e-0d3c1b0a7a11")
_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


class UnreadablePatients(Exception):
    """A file of patients could not be read; the message names the file and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one bundle (or one bulk export), with ids, and references that point at them."""

    name: str
    resources: list[dict[str, Any]]


def load(path: Path) -> list[Chart]:
    """Read every bundle under `path`, in the order of their names; raise UnreadablePatients when one is broken."""
    if not path.exists():
        raise UnreadablePatients(f"{path}: there is no such file or folder")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    charts: list[Chart] = []
    exports: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        for name, content in _members(file):
            if _is_ndjson(name):
                # The files of one bulk export hold a type each: only together are they charts.
                exports.setdefault(str(file.parent), []).extend(_lines(name, content))
            else:
                charts.append(Chart(name, settled(_entries(name, content), name)))
    charts.extend(Chart(name, settled([(None, r) for r in found], name)) for name, found in exports.items())
    if not charts:
        raise UnreadablePatients(f"{path}: no .json, .json.gz, .ndjson or .tar.xz in it")
    return charts


def _is_ndjson(name: str) -> bool:
    return name.removesuffix(".gz").endswith(".ndjson")


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each JSON or NDJSON document of a file: one, or those of an archive."""
    try:
        if file.name.endswith(_ARCHIVES):
            with tarfile.open(file) as archive:
                for member in sorted(archive.getmembers(), key=lambda m: m.name):
                    content = archive.extractfile(member)
                    if content is not None and member.name.endswith((".json", ".ndjson")):
                        yield f"{file.name}/{member.name}", content.read()
        elif file.name.endswith((".json.gz", ".ndjson.gz")):
            yield file.name, gzip.decompress(file.read_bytes())
        elif file.name.endswith((".json", ".ndjson")):
            yield file.name, file.read_bytes()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise UnreadablePatients(f"{file}: cannot be unpacked") from error


def _lines(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    return (_resource(name, orjson_loads(name, line)) for line in content.splitlines() if line.strip())


def _entries(name: str, content: bytes) -> list[tuple[str | None, dict[str, Any]]]:
    document = _resource(name, orjson_loads(name, content))
    if document["resourceType"] != "Bundle":
        return [(None, document)]
    entries = [entry for entry in document.get("entry", ()) if entry.get("resource")]
    return [
        (entry.get("fullUrl"), _resource(name, entry["resource"]))
        for entry in entries
        if entry.get("search", {}).get("mode") != "outcome"
    ]


def orjson_loads(name: str, content: bytes) -> Any:
    """Parse JSON, or say which file holds none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UnreadablePatients(f"{name}: not JSON") from error


def _resource(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise UnreadablePatients(f"{name}: holds something that is not a FHIR resource")
    return value


def settled(entries: list[tuple[str | None, dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    """Give each resource an id and let the references of the bundle point at `Type/id`."""
    targets: dict[str, str] = {}
    resources: list[dict[str, Any]] = []
    for place, (full_url, resource) in enumerate(entries):
        last = (full_url or "").replace(":", "/").rpartition("/")[2]
        # Neither an id nor a full URL: one made from the place, so that loading twice gives the same chart.
        identity = resource.get("id") or last or str(uuid.uuid5(_NAMESPACE, f"{name}#{place}"))
        if full_url:
            targets[full_url] = f"{resource['resourceType']}/{identity}"
        resources.append({**resource, "id": identity})
    return [pointed(resource, targets) for resource in resources]


def pointed(value: Any, targets: dict[str, str]) -> Any:
    """Copy `value` with each `reference` that is a key of `targets` replaced."""
    if isinstance(value, dict):
        return {
            key: targets.get(inner, inner) if key == "reference" and isinstance(inner, str) else pointed(inner, targets)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [pointed(inner, targets) for inner in value]
    return value
