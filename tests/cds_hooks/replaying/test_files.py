"""The documents of a folder, one at a time."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_hooks.replaying.files import Document, documents, files_in


def test_documents_are_found_in_the_order_of_their_names_and_others_left(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    for name in ("b.json", "a.json.gz", "c.txt", "d.ndjson", "inside/e.json.xz"):
        (tmp_path / name).write_bytes(b"{}")

    assert [file.name for file in files_in(tmp_path)] == ["a.json.gz", "b.json", "e.json.xz"]
    assert files_in(tmp_path / "b.json") == [tmp_path / "b.json"]


def test_a_path_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files_in(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "pack"), [("a.json", bytes), ("a.json.gz", gzip.compress), ("a.json.xz", lzma.compress)]
)
def test_a_file_is_one_document(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(b'{"a": 1}'))

    assert list(documents(tmp_path / name, after=4)) == [Document(5, {"a": 1})]


def test_an_archive_has_a_document_for_each_member_that_is_json(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "charts.tar.xz", "w:xz") as archive:
        for name in ("one.json", "notes.txt", "two.json"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"[]"))

    assert list(documents(tmp_path / "charts.tar.xz")) == [Document(1, []), Document(2, [])]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.json.xz", "a.tar", "a.tgz"])
def test_what_cannot_be_read_is_a_document_without_a_value(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{broken")

    assert list(documents(tmp_path / name)) == [Document(1, None)]


@pytest.mark.parametrize("name", ["a.json.gz", "a.json.xz", "a.tgz"])
def test_a_file_that_was_damaged_is_a_document_without_a_value(tmp_path: Path, name: str) -> None:
    pack = lzma.compress if name.endswith(".xz") else gzip.compress
    damaged = bytearray(pack(b'{"a": 1}' * 500))
    for place in range(18, 30):
        damaged[place] ^= 0xFF
    (tmp_path / name).write_bytes(bytes(damaged))
    assert [document.value for document in documents(tmp_path / name)] == [None]
