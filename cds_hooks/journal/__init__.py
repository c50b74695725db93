"""Where facts are written down: the audit of calls, feedback, and the log of events."""
