"""The AHA PREVENT equations (2023), base model: cardiovascular risk over 10 and 30 years."""

from models.prevent.model import MODEL

__all__ = ["MODEL"]
