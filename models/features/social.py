"""How the patient lives."""

from models.features.searches import social_history
from models.features.truths import coded_truth

# Never and former smokers are not current smokers (models.md 5). The newest answer counts, however old: the source sets
# no window, and the reading's date is shown.
SMOKER = coded_truth(
    "smoker",
    "current smoker",
    social_history("smoking_status"),
    of="smoking_status",
    answers="smoking_answers",
    true=frozenset({"current"}),
)
