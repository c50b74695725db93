"""Opioids in morphine milligram equivalents a day."""

from models.mme.model import MODEL

__all__ = ["MODEL"]
