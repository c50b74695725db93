"""The documents of a folder, one at a time: what was read is let go before the next is opened."""

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_DOCUMENTS: Final = (".json", ".json.gz", ".json.xz")


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON document by its place, from 1, in the order of the names; `value` is None where it is not JSON.

    No name: charts are called after their patients.
    """

    place: int
    value: Any = None


def files_in(path: Path) -> list[Path]:
    """List the files that can be replayed, in the order of their names.

    Raises:
        FileNotFoundError: there is no such path.
    """
    if not path.exists():
        raise FileNotFoundError
    found = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    return [each for each in found if each.name.endswith(_ARCHIVES + _DOCUMENTS)]


def documents(file: Path, *, after: int = 0) -> Iterator[Document]:
    """Read each document of a file, several of an archive; `after` is the place of the one before."""
    for place, content in enumerate(_contents(file), after + 1):
        yield Document(place, _parsed(content))


def _parsed(content: bytes | None) -> Any:
    if content is None:
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _contents(file: Path) -> Iterator[bytes | None]:
    """Yield what is in a file; None for what cannot be unpacked."""
    try:
        if file.name.endswith(_ARCHIVES):
            yield from _members(file)
        elif file.name.endswith(".gz"):
            yield gzip.decompress(file.read_bytes())
        elif file.name.endswith(".xz"):
            yield lzma.decompress(file.read_bytes())
        else:
            yield file.read_bytes()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError):
        yield None


def _members(file: Path) -> Iterator[bytes]:
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            if content is not None:
                yield content.read()
