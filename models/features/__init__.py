"""Named model inputs: each declared once, with unit, source, window and plausible range."""
