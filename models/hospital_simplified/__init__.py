"""The simplified HOSPITAL score of readmission."""

from models.hospital_simplified.model import MODEL

__all__ = ["MODEL"]
