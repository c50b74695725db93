"""FINDRISC: the Finnish diabetes risk score."""

from models.findrisc.model import MODEL

__all__ = ["MODEL"]
