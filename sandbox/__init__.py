"""A stand-in EHR: synthetic patients, an in-memory FHIR server, a CDS client and pages that show its cards."""
