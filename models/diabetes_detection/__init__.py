"""Whether laboratory results meet the criteria for a diabetes that nobody has listed."""

from models.diabetes_detection.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
