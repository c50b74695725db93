"""Where a kidney failure risk begins to matter, by KDIGO 2024; the numbers stand in parameters.toml."""

from models.kfre.model import PARAMETERS

_REFERRAL = PARAMETERS["referral_5y"]


def reaches_referral(risk_5y: float) -> bool:
    """Tell whether the 5-year probability is in or above the range that can be used to decide on referral."""
    return bool(risk_5y >= _REFERRAL["at_least"])


def supports_referral(risk_5y: float) -> bool:
    """Tell whether the 5-year probability is at or above the upper end of that range."""
    return bool(risk_5y >= _REFERRAL["supports_from"])
