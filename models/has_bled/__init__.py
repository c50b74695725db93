"""HAS-BLED: bleeding risk under anticoagulation, and what of it can be corrected."""

from models.has_bled.model import MODEL

__all__ = ["MODEL"]
