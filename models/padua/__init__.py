"""The Padua prediction score of venous thromboembolism in medical inpatients."""

from models.padua.model import MODEL

__all__ = ["MODEL"]
