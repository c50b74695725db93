"""The National Early Warning Score 2."""

from models.news2.model import MODEL

__all__ = ["MODEL"]
