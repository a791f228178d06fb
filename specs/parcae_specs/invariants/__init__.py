"""The guarantees as pure functions: ``None`` where they hold, else a sentence that says what broke.

Over a history, over one job, over one edge (a job, one command, what came of it), or over the log
of a store with all its jobs, queues and groups. They know the
rules from the prose, not from ``decide``: what is to be undone, say, is counted here anew. No
random testing tool is imported, so that an explorer can use them as it finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from parcae.events import Event
from parcae.state import Job
from parcae.values import JobId
from parcae_specs.invariants.edges import EDGE
from parcae_specs.invariants.history import HISTORY
from parcae_specs.invariants.job import JOB
from parcae_specs.invariants.log import of_log
from parcae_specs.story import Edge

__all__ = ["EDGE", "HISTORY", "JOB", "of_edge", "of_history", "of_job", "of_log"]


def of_history(job_id: JobId, history: Sequence[Event], job: Job | None) -> Iterator[str]:
    """What a history, and the job that it should fold to, break."""
    for name, check in HISTORY.items():
        if (broken := check(job_id, history, job)) is not None:
            yield f"{name}: {broken}"


def of_job(job: Job) -> Iterator[str]:
    """What a job breaks by itself."""
    yield from _broken(JOB, job)


def of_edge(edge: Edge) -> Iterator[str]:
    """What a step breaks."""
    yield from _broken(EDGE, edge)


def _broken(checks: Mapping[str, Callable[..., str | None]], value: object) -> Iterator[str]:
    for name, check in checks.items():
        if (broken := check(value)) is not None:
            yield f"{name}: {broken}"
