"""The pooled cohort equations of 2013, for comparison with older records."""

from models.pce.model import MODEL

__all__ = ["MODEL"]
