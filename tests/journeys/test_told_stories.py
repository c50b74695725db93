"""Each service has a story of the sandbox in which it speaks, and one like it in which it must not."""

import pytest

from cds_hooks.policy import Policy
from tests.journeys.charts import story_charts
from tests.journeys.test_cards_of_every_chart import SERVICES, answer

CHARTS = {chart.name: chart for chart in story_charts()}
BY_ID = {service.id: service for service in SERVICES}
SPEAKS = {
    (
        "stroke-prevention",
        "curlew",
    ): "Atrial fibrillation without anticoagulant: CHA2DS2-VA 2, anticoagulant recommended",
    ("liver-fibrosis", "pike"): "FIB-4 5.36 (high): advanced liver fibrosis likely",
    ("liver-fibrosis", "marlin"): "Cirrhosis: MELD 3.0 = 28",
    (
        "pneumonia-severity",
        "raccoon",
    ): "Pneumonia: CURB-65 = 4 (severe), 30-day mortality 41.5% (Lim 2003)",
}
IS_SILENT = [
    ("pneumonia-severity", "robin"),
    ("pneumonia-severity", "badger"),
    ("liver-fibrosis", "carp"),
    ("liver-fibrosis", "sturgeon"),
    ("stroke-prevention", "dove"),
    ("stroke-prevention", "plover"),
    ("stroke-prevention", "badger"),
]


@pytest.mark.parametrize(("service", "story"), SPEAKS)
def test_the_story_that_calls_for_a_card_has_it(service: str, story: str) -> None:
    (card,) = answer(BY_ID[service], CHARTS[story]).response.cards
    assert card.summary == SPEAKS[service, story]
    assert card.links[0].url == Policy().page_of(BY_ID[service]).url


@pytest.mark.parametrize(("service", "story"), IS_SILENT)
def test_the_story_that_calls_for_none_has_none(service: str, story: str) -> None:
    assert answer(BY_ID[service], CHARTS[story]).response.cards == ()
