"""One file a service: what it asks for, which models assess, and the cards it shows."""
