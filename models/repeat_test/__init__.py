"""Whether a test that is ordered was done lately, or is under way: minimum retest intervals."""

from models.repeat_test.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
