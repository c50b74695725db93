"""SIRS: the criteria of the systemic inflammatory response syndrome."""

from models.sirs.model import MODEL

__all__ = ["MODEL"]
