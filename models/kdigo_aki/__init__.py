"""Acute kidney injury by the creatinine rule of KDIGO 2012."""

from models.kdigo_aki.model import MODEL

__all__ = ["MODEL"]
