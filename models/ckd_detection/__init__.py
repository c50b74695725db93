"""Whether laboratory results meet the criteria for chronic kidney disease, and whether the problem list says so."""

from models.ckd_detection.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
