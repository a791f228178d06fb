"""How much Hypothesis tries: the same every time in the gate, more and new with a profile.

``PARCAE_PROFILE=thorough`` tries ten times as much, at random.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile(
    "check",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=80,
    suppress_health_check=SLOW,
)
settings.register_profile(
    "thorough", deadline=None, max_examples=800, suppress_health_check=SLOW, print_blob=True
)
settings.load_profile(os.environ.get("PARCAE_PROFILE", "check"))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests wait for processes as often as they compute."""
    return (os.cpu_count() or 1) + 1
