"""Synthetic patients: stories written by hand, and a seeded generator of many more."""
