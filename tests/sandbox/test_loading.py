"""Reading charts from files."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.ehr.loading import Chart, UnreadablePatients, load

PATIENT = {"resourceType": "Patient"}
OBSERVATION = {"resourceType": "Observation", "subject": {"reference": "urn:uuid:a-1"}}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"fullUrl": "urn:uuid:a-1", "resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
        {"fullUrl": "http://far.test/r4/Observation/9", "resource": {**OBSERVATION, "id": "9"}},
        {"resource": {**OBSERVATION, "hasMember": [{"reference": "http://far.test/r4/Observation/9"}]}},
        {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
        {},
    ],
}


def the_chart(path: Path) -> Chart:
    (chart,) = load(path)
    return chart


def test_references_of_a_bundle_point_at_type_and_id(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(orjson.dumps(BUNDLE))

    patient, first, second = the_chart(tmp_path).resources

    assert (patient["id"], first["id"]) == ("a-1", "9")
    assert first["subject"]["reference"] == second["subject"]["reference"] == "Patient/a-1"
    assert second["hasMember"] == [{"reference": "Observation/9"}]


def test_a_resource_without_any_name_gets_the_same_id_each_time(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(orjson.dumps(BUNDLE))

    assert the_chart(tmp_path).resources == the_chart(tmp_path).resources
    assert the_chart(tmp_path).resources[2]["id"]


def test_folders_archives_and_compressed_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.json").write_bytes(orjson.dumps(PATIENT | {"id": "c"}))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(orjson.dumps(BUNDLE)))
    (tmp_path / "readme.txt").write_text("not a patient")
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as archive:
        for name in ("2.json", "1.json"):
            content = orjson.dumps(PATIENT | {"id": name[0]})
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    charts = load(tmp_path)

    assert [chart.name for chart in charts] == ["a.tar.xz/1.json", "a.tar.xz/2.json", "b.json.gz", "c.json"]
    assert [chart.resources[0]["id"] for chart in charts] == ["1", "2", "a-1", "c"]


def test_the_files_of_a_bulk_export_are_one_chart(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(orjson.dumps(PATIENT | {"id": "p"}) + b"\n")
    (tmp_path / "Observation.ndjson.gz").write_bytes(
        gzip.compress(orjson.dumps(OBSERVATION | {"id": "o"}) + b"\n\n" + orjson.dumps(OBSERVATION | {"id": "q"})),
    )

    assert [resource["id"] for resource in the_chart(tmp_path).resources] == ["o", "q", "p"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"{"),
        ("a.json", b"[1]"),
        ("a.ndjson", b'{"resourceType": "Patient"}\nnope'),
        ("a.json.gz", b"no gzip"),
        ("a.tar.xz", b"no archive"),
        ("a.txt", b""),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnreadablePatients, match=name if name != "a.txt" else str(tmp_path)):
        load(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePatients, match="nowhere"):
        load(tmp_path / "nowhere")
