"""What may be amiss in the entry of an allergy: a side effect, or a penicillin allergy that could be taken off."""

from models.allergy_record.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
