"""Turns a FHIR server, a prefetch or a bundle file into facts about one patient; holds no clinical opinion."""
