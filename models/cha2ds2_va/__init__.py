"""CHA2DS2-VA: stroke risk in atrial fibrillation, without sex."""

from models.cha2ds2_va.model import MODEL

__all__ = ["MODEL"]
