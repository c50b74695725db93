"""MELD 3.0: severity of cirrhosis."""

from models.meld_3.model import MODEL

__all__ = ["MODEL"]
