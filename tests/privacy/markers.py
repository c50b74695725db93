"""The word that every made-up patient carries, and that nothing but cards, charts and the journal may ever show."""

MARKER = "Zzmarker"


def shows_no_patient(*told: str, where: str) -> None:
    """Fail where something that anybody may read shows the word; what it stands in is not repeated.

    Raises:
        AssertionError: it does.
    """
    assert not any(MARKER.lower() in text.lower() for text in told), f"a patient's word is in {where}"
