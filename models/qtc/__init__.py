"""The QT interval corrected for heart rate, by Bazett and by Fridericia."""

from models.qtc.model import MODEL

__all__ = ["MODEL"]
