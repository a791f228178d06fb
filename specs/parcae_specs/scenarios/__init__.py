"""Scripted stories that together take every arrow of the lifecycle, each for one reason.

They are data: what was put to the job, and when. Tests and golden files play them.
"""

from __future__ import annotations

from collections.abc import Mapping

from parcae_specs.scenarios.cancelled import CANCELLED
from parcae_specs.scenarios.forward import FORWARD
from parcae_specs.scenarios.migrated import MIGRATED
from parcae_specs.scenarios.undoing import UNDOING
from parcae_specs.story import Step, Story

SCENARIOS: Mapping[str, tuple[Step, ...]] = {**FORWARD, **CANCELLED, **UNDOING, **MIGRATED}


def play(name: str) -> Story:
    """The story of that name; what is refused in it does nothing."""
    return Story().when(*SCENARIOS[name])
