"""Replaying a log, to see whether any start broke a limit or the order of its line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from parcae import events as e
from parcae.change import AnyEvent
from parcae.evolve import evolve
from parcae.ports import Recorded
from parcae.state import Compensating, Job, Scheduled
from parcae.values import Instant, JobId, Lane


def broken(log: Iterable[Recorded[AnyEvent]], limits: Mapping[Lane, int]) -> Iterator[str]:
    """What in ``log`` should not have been, one sentence each (S6, S7).

    Args:
        log: all events of the store, in order.
        limits: of each lane, from the beginning on.
    """
    replay = _Replay(limits)
    for recorded in log:
        if isinstance(recorded.event, e.Event):
            yield from replay.step(JobId(recorded.stream), recorded.event)


class _Replay:
    """All jobs as the log so far leaves them."""

    def __init__(self, limits: Mapping[Lane, int]) -> None:
        self._limits = limits
        self._jobs: dict[JobId, Job] = {}
        self._held: Counter[Lane] = Counter()
        self._line: defaultdict[Lane, set[JobId]] = defaultdict(set)

    def step(self, job_id: JobId, event: e.Event) -> Iterator[str]:
        """One event: what is wrong with it, judged by what came before."""
        before = self._jobs.get(job_id)
        if isinstance(event, e.Started | e.CompensationClaimed) and before is not None:
            yield from self._judge(before, event)
        after = evolve(job_id, before, event)
        self._count(before, -1)
        if after is None:
            del self._jobs[job_id]
        else:
            self._jobs[job_id] = after
        self._count(after, 1)

    def _judge(self, job: Job, event: e.Started | e.CompensationClaimed) -> Iterator[str]:
        lane = job.spec.lane
        limit = self._limits.get(lane)
        if limit is not None and self._held[lane] >= limit:
            yield f"S6: job {job.id} started as the {self._held[lane] + 1}th of {limit} in {lane}"
        if isinstance(event, e.Started):
            for other in self._line[lane]:
                if _passed_over(self._jobs[other], job, event.at):
                    yield f"S7: job {job.id} started before job {other} of {lane}"

    def _count(self, job: Job | None, by: int) -> None:
        if job is None:
            return
        lane = job.spec.lane
        if job.lease is not None:
            self._held[lane] += by
        waits = isinstance(job.state, Scheduled)
        if waits and by > 0:
            self._line[lane].add(job.id)
        elif waits:
            self._line[lane].discard(job.id)


def _passed_over(other: Job, job: Job, now: Instant) -> bool:
    """Whether ``other`` stood before ``job`` in their line, and was due."""
    state = other.state
    if isinstance(state, Compensating) or not isinstance(state, Scheduled):
        return False
    same = other.spec.priority == job.spec.priority and other.spec.kind == job.spec.kind
    return same and other.place < job.place and state.ready_at <= now
