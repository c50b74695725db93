"""Whether an anticoagulant is ordered for an inpatient, and what speaks against one."""

from models.thromboprophylaxis.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
