"""Wells' criteria for pulmonary embolism."""

from models.wells_pe.model import MODEL

__all__ = ["MODEL"]
