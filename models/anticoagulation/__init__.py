"""Whether someone with atrial fibrillation takes an oral anticoagulant, by active order."""

from models.anticoagulation.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
