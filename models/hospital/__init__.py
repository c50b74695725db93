"""The HOSPITAL score of readmission, in the form of the 2016 validation."""

from models.hospital.model import MODEL

__all__ = ["MODEL"]
