"""LACE: the index of early death or readmission after discharge."""

from models.lace.model import MODEL

__all__ = ["MODEL"]
