"""What can be wrong with a model itself, before any patient: a missing value is an answer, not an error."""


class ModelError(Exception):
    """A model cannot be used."""


class ParametersRejected(ModelError):
    """A parameter or code-set file does not hold what every value must have."""

    def __init__(self, place: str, fault: str) -> None:
        super().__init__(f"{place} {fault}")
        self.place = place
