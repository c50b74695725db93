"""Each service has a story of the sandbox in which it speaks, and one like it in which it must not."""

import pytest

from cds_hooks.policy import Policy
from cds_hooks.protocol.hooks import Hook
from tests.journeys.answering import SERVICES, answer
from tests.journeys.charts import AChart, story_charts

CHARTS = {chart.name: chart for chart in story_charts()}
BY_ID = {service.id: service for service in SERVICES}
ORDERS = (Hook.ORDER_SELECT, Hook.ORDER_SIGN)
# Service, story and hook, and the summary of the one card; a story of order entry says the same at each hook it names.
SPEAKS = [
    (
        "stroke-prevention",
        "curlew",
        (Hook.PATIENT_VIEW,),
        "Atrial fibrillation without anticoagulant: CHA2DS2-VA 2, anticoagulant recommended",
    ),
    ("liver-fibrosis", "pike", (Hook.PATIENT_VIEW,), "FIB-4 5.36 (high): advanced liver fibrosis likely"),
    ("liver-fibrosis", "marlin", (Hook.PATIENT_VIEW,), "Cirrhosis: MELD 3.0 = 28"),
    (
        "pneumonia-severity",
        "raccoon",
        (Hook.PATIENT_VIEW,),
        "Pneumonia: CURB-65 = 4 (severe), 30-day mortality 41.5% (Lim 2003)",
    ),
    (
        "deterioration",
        "orca",
        (Hook.PATIENT_VIEW, Hook.ENCOUNTER_START),
        "NEWS2 = 14 (high): emergency assessment per local policy; infection suspected: qSOFA 3, SIRS 4",
    ),
    (
        "deterioration",
        "bison",
        (Hook.PATIENT_VIEW, Hook.ENCOUNTER_START),
        "NEWS2 = 16 (high): emergency assessment per local policy",
    ),
    (
        "diabetes-screening",
        "stork",
        (Hook.PATIENT_VIEW,),
        "Meets laboratory criteria for diabetes (HbA1c 7.2%), not on the problem list",
    ),
    (
        "diabetes-screening",
        "grebe",
        (Hook.PATIENT_VIEW,),
        "Diabetes likely to come: FINDRISC at least 18 (high), no usable HbA1c or fasting glucose in 12 months",
    ),
    (
        "acute-kidney-injury",
        "gannet",
        ORDERS,
        "AKI stage 1 (creatinine 1.62, baseline 0.98 mg/dL): ibuprofen ordered; also lisinopril, furosemide",
    ),
    (
        "repeat-test",
        "lapwing",
        ORDERS,
        "Haemoglobin A1c already reported (7.1%), 2026-05-20 12:00. Usually not repeated within 40 days",
    ),
    (
        "repeat-test",
        "dunlin",
        ORDERS,
        "Thyrotropin (TSH) already ordered, 2026-05-29 12:00. Usually not repeated within 28 days",
    ),
    (
        "opioid-safety",
        "godwit",
        (Hook.ORDER_SIGN,),
        "Oxycodone with diazepam: 120 MME a day",
    ),
    ("medication-safety", "egret", ORDERS, "Metformin is contraindicated at eGFR 17.51"),
    (
        "imaging-advice",
        "merlin",
        (Hook.ORDER_SELECT,),
        "Iodinated contrast at eGFR 17.96: CT of abdomen and pelvis with contrast",
    ),
    (
        "imaging-advice",
        "kestrel",
        (Hook.ORDER_SELECT,),
        "CT pulmonary angiography without a D-dimer: 0 Wells points are in the chart, two items are yours to judge",
    ),
    (
        "allergy-record",
        "siskin",
        (Hook.ALLERGYINTOLERANCE_CREATE,),
        "Nausea after codeine is entered as an allergy: isolated gastrointestinal upset is an intolerance",
    ),
    (
        "allergy-record",
        "linnet",
        (Hook.ALLERGYINTOLERANCE_CREATE,),
        "The penicillin allergy is of low risk: PEN-FAST at most 1, low below 3",
    ),
    (
        "readmission",
        "mallard",
        (Hook.ENCOUNTER_DISCHARGE,),
        "High risk of readmission: LACE 14 of 19, simplified HOSPITAL 7 of 12",
    ),
    (
        "thrombosis-risk",
        "eider",
        (Hook.ENCOUNTER_START, Hook.ORDER_SIGN),
        "High risk of thrombosis (Padua at least 5), no anticoagulant ordered",
    ),
]
IS_SILENT = [
    ("thrombosis-risk", "smew", (Hook.ORDER_SIGN,)),
    ("thrombosis-risk", "scaup", (Hook.ENCOUNTER_START, Hook.ORDER_SIGN)),
    ("thrombosis-risk", "teal", (Hook.ENCOUNTER_START,)),
    ("readmission", "teal", (Hook.ENCOUNTER_DISCHARGE,)),
    ("pneumonia-severity", "robin", (Hook.PATIENT_VIEW,)),
    ("pneumonia-severity", "badger", (Hook.PATIENT_VIEW,)),
    ("liver-fibrosis", "carp", (Hook.PATIENT_VIEW,)),
    ("liver-fibrosis", "sturgeon", (Hook.PATIENT_VIEW,)),
    ("stroke-prevention", "dove", (Hook.PATIENT_VIEW,)),
    ("stroke-prevention", "plover", (Hook.PATIENT_VIEW,)),
    ("stroke-prevention", "badger", (Hook.PATIENT_VIEW,)),
    ("deterioration", "turnstone", (Hook.PATIENT_VIEW, Hook.ENCOUNTER_START)),
    ("diabetes-screening", "lark", (Hook.PATIENT_VIEW,)),
    ("diabetes-screening", "badger", (Hook.PATIENT_VIEW,)),
    ("acute-kidney-injury", "grouse", ORDERS),
    ("medication-safety", "grouse", ORDERS),
    ("opioid-safety", "whimbrel", (Hook.ORDER_SIGN,)),
    ("opioid-safety", "grouse", (Hook.ORDER_SIGN,)),
    ("repeat-test", "avocet", ORDERS),
    ("repeat-test", "sanderling", ORDERS),
    ("imaging-advice", "osprey", (Hook.ORDER_SELECT,)),
    ("imaging-advice", "harrier", (Hook.ORDER_SELECT,)),
    ("allergy-record", "redpoll", (Hook.ALLERGYINTOLERANCE_CREATE,)),
    ("allergy-record", "twite", (Hook.ALLERGYINTOLERANCE_CREATE,)),
]


def _told(story: str, hook: Hook) -> AChart:
    """Give the story, which has to tell what the hook is fired with."""
    chart = CHARTS[story]
    assert hook not in ORDERS or chart.told
    assert hook is not Hook.ALLERGYINTOLERANCE_CREATE or chart.told_allergy is not None
    return chart


@pytest.mark.parametrize(
    ("service", "story", "hook", "summary"),
    [(service, story, hook, summary) for service, story, hooks, summary in SPEAKS for hook in hooks],
)
def test_the_story_that_calls_for_a_card_has_it(service: str, story: str, hook: Hook, summary: str) -> None:
    (card,) = answer(BY_ID[service], _told(story, hook), hook=hook).response.cards
    assert card.summary == summary
    assert card.links[0].url == Policy().page_of(BY_ID[service]).url


@pytest.mark.parametrize(
    ("service", "story", "hook"), [(service, story, hook) for service, story, hooks in IS_SILENT for hook in hooks]
)
def test_the_story_that_calls_for_none_has_none(service: str, story: str, hook: Hook) -> None:
    assert answer(BY_ID[service], _told(story, hook), hook=hook).response.cards == ()
