"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Machines that run tests are shared and noisy: speed is scripts/bench's business.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
