"""The drugs that matter to a kidney that is acutely injured: those ordered, and those already taken."""

from models.acute_kidney_injury.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
