"""FIB-4: advanced liver fibrosis from age, transaminases and platelets."""

from models.fib_4.model import MODEL

__all__ = ["MODEL"]
