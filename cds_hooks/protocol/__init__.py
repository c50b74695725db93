"""The wire format of CDS Hooks as frozen types; knows nothing else of the project."""
