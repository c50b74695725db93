"""The Charlson comorbidity index."""

from models.charlson.model import MODEL

__all__ = ["MODEL"]
