"""The Kidney Failure Risk Equation with four variables."""

from models.kfre.model import MODEL

__all__ = ["MODEL"]
