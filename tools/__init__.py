"""Commands for those who work on Chartside; no part of what is installed."""
