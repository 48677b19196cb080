"""Property tests are the same on every run: a failure is a change of ours, never chance."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same-every-run", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("same-every-run")
