"""What the FHIR server answers when it will not do as asked."""

from typing import Any


class Refused(Exception):
    """A FHIR request that ends in an OperationOutcome: an HTTP status, an issue code and fixed words."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text

    def outcome(self) -> dict[str, Any]:
        """Write the OperationOutcome."""
        return outcome(self.code, self.text)


def outcome(code: str, text: str, severity: str = "error") -> dict[str, Any]:
    """Build an OperationOutcome of one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "details": {"text": text}}],
    }
