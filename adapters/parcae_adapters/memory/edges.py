"""Who waits for whom. Not thread-safe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from parcae.state import Job, Pending
from parcae.values import JobId


class Edges:
    """From each job or group to the jobs that depend on it and have not ended."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[JobId]] = defaultdict(set)
        self._needing: defaultdict[str, set[JobId]] = defaultdict(set)

    def move(self, before: Job | None, after: Job | None) -> None:
        """One job has become another."""
        job = before or after
        if job is None or not job.spec.dependencies:
            return
        # Only what differs is touched: a job that waits for many is settled as many times.
        _move(self._waiting, job.id, _unsettled(before), _unsettled(after))
        _move(self._needing, job.id, _parents(before), _parents(after))

    def waiting(self, parent: str) -> list[JobId]:
        """The pending jobs that wait for ``parent``, by their names."""
        return sorted(self._waiting.get(parent, ()))

    def needed(self, parent: str) -> bool:
        """Whether a job that depends on ``parent`` has not ended."""
        return parent in self._needing

    def awaited(self) -> frozenset[str]:
        """All that somebody waits for."""
        return frozenset(self._waiting)


def _unsettled(job: Job | None) -> frozenset[JobId]:
    state = None if job is None else job.state
    return frozenset(state.unsettled) if isinstance(state, Pending) else frozenset()


def _parents(job: Job | None) -> frozenset[JobId]:
    if job is None or job.status.is_terminal:
        return frozenset()
    return frozenset(job.spec.by_parent)


def _move(
    edges: defaultdict[str, set[JobId]],
    child: JobId,
    before: frozenset[JobId],
    after: frozenset[JobId],
) -> None:
    for parent in after - before:
        edges[parent].add(child)
    _drop(edges, child, before - after)


def _drop(edges: defaultdict[str, set[JobId]], child: JobId, parents: Iterable[JobId]) -> None:
    for parent in parents:
        edges[parent].discard(child)
        if not edges[parent]:
            del edges[parent]
