"""The EHR's pages: a patient list, charts, and the cards that come with them."""
