"""Opioids beside what makes them more dangerous; how much they come to a day is the model `mme`."""

from models.opioid_safety.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
