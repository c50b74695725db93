"""qSOFA: the quick sequential organ failure assessment."""

from models.qsofa.model import MODEL

__all__ = ["MODEL"]
