"""What the scripted stories share."""

from __future__ import annotations

from attrs import evolve as replace

from parcae.spec import Dependency, DependencyPolicy, Origin, RetryMode, Timing
from parcae.values import JobId, seconds
from parcae_specs.story import PATIENT

HASTY = Timing(attempt=seconds(10))
"""An attempt is timed out long before its lease expires."""
ONCE = replace(PATIENT, max_attempts=1)
PARENTS = tuple(Dependency(parent=JobId(name)) for name in ("p", "q"))
FIRST = JobId("019b76da-a800-7000-8000-00000000000f")


def origin(mode: RetryMode, *settled: str) -> Origin:
    """The ended job that is retried."""
    return Origin(job_id=FIRST, mode=mode, root=FIRST, settled=settled)


def depends(policy: DependencyPolicy) -> tuple[Dependency, ...]:
    """On one other job."""
    return (Dependency(parent=JobId("p"), policy=policy),)
