"""CHA2DS2-VASc: stroke risk in atrial fibrillation."""

from models.cha2ds2_vasc.model import MODEL

__all__ = ["MODEL"]
