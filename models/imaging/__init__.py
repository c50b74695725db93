"""What speaks against an imaging study, or for a look at something else first: rules over draft orders."""

from models.imaging.assessor import ASSESSOR

__all__ = ["ASSESSOR"]
