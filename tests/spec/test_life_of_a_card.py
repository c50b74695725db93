"""CDS Hooks, section 10 of the checklist: a card belongs to the invocation that produced it."""

import re
from pathlib import Path

import orjson

from cds_hooks.catalogue import Catalogue
from tests.builders import a_bundle, a_patient, an_observation
from tests.cds_hooks.web.edge import a_call, an_edge

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
A_SICK_CHART = {
    "patient": a_patient(),
    "conditions": a_bundle(),
    "laboratory": a_bundle(
        an_observation("2160-0", 2.0, "mg/dL", on="2024-05-20"), an_observation("2160-0", 2.0, "mg/dL", on="2024-01-10")
    ),
}


def test_a_card_needs_no_later_state_of_ours(tmp_path: Path) -> None:
    """[LIFE-1] A card belongs to the invocation that produced it: it needs no later state of ours to be understood."""
    answers = []
    for name in ("one", "other"):  # two installations that have heard nothing of each other
        (tmp_path / name).mkdir()
        with an_edge(tmp_path / name, *Catalogue.found().services) as edge:
            answers.append(edge.call(a_call(prefetch=A_SICK_CHART), service="kidney-risk").get_data(as_text=True))
    first, second = (orjson.loads(UUID.sub("", answer)) for answer in answers)
    assert first == second
    assert first["cards"]
    uuids = UUID.findall(answers[0])
    assert len(uuids) == len(set(uuids))  # nothing refers to another card, or to the call
    (page,) = {link["url"] for card in first["cards"] for link in card["links"]}
    with an_edge(tmp_path / "one", *Catalogue.found().services, migrated=False) as edge:
        assert edge.http.get(page.removeprefix("http://127.0.0.1:8000")).status_code == 200
