"""CURB-65: severity of community-acquired pneumonia."""

from models.curb_65.model import MODEL

__all__ = ["MODEL"]
