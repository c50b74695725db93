"""Runs charts from files through the catalogue: how often would it have spoken, of what, and was it right."""
