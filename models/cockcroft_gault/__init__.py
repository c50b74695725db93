"""Creatinine clearance, Cockcroft and Gault: for drug doses whose label names it."""

from models.cockcroft_gault.model import MODEL

__all__ = ["MODEL"]
