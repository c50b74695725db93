"""An in-memory FHIR R4 server, and the ways to fill it."""
