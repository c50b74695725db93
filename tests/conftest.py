"""What every test runs under."""

import os

from hypothesis import settings

# No deadline: on a shared core the clock measures the neighbours. In CI the examples are the same on every run, so that
# a failure there is a failure of the change.
settings.register_profile("chartside", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("chartside"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "chartside")
