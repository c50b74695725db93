"""eGFR from creatinine, CKD-EPI 2021, and the G stage."""

from models.ckd_epi_2021.model import MODEL

__all__ = ["MODEL"]
