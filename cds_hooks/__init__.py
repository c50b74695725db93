"""The CDS Hooks service: from a hook call to cards, and what became of them."""
