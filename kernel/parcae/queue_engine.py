"""The use cases of queues: limits, rates, pauses; and what they hold."""

from __future__ import annotations

from datetime import timedelta

from parcae.configure import configure
from parcae.errors import Reason, Rejected
from parcae.measures import Statistics, measured
from parcae.ports import Named, Store
from parcae.queues import (
    Pause,
    Queue,
    QueueCommand,
    Rate,
    Resume,
    SetAging,
    SetLimit,
    SetRate,
    queue_stream,
)
from parcae.survey import Scope, Standing
from parcae.values import JobId, Lane, minutes, seconds

SECOND = seconds(1)
QUARTER = minutes(15)


class QueueEngine:
    """What can be asked of queues. All of it holds from the commit on, for every worker.

    Args:
        store: where the jobs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def pause(self, queue: str, *, by: str = "") -> Queue:
        """Start nothing forward from ``queue``; what runs goes on, and undos are still done."""
        return await self._configure(queue, Pause(by=by))

    async def resume_queue(self, queue: str, *, by: str = "") -> Queue:
        """Start jobs of ``queue`` again; their patience (``stale_after``) begins anew."""
        return await self._configure(queue, Resume(by=by))

    async def limit(
        self,
        queue: str,
        limit: int | None,
        *,
        key: str | None = None,
        each: bool = False,
        by: str = "",
    ) -> Queue:
        """Bound how many jobs of a queue run at once. Lowering it stops nothing that runs.

        Args:
            queue: which one.
            limit: at least 1; ``None``: no bound.
            key: of this key alone.
            each: of every key that has no bound of its own.
            by: who asks.

        Raises:
            ValueError: ``limit`` is no whole number from 1 on.
            Rejected: both ``key`` and ``each``, or a thing that can be no key.
        """
        return await self._configure(queue, SetLimit(limit=limit, key=key, each=each, by=by))

    async def rate(
        self,
        queue: str,
        count: int | None,
        per: timedelta = SECOND,
        *,
        burst: int = 1,
        key: str | None = None,
        each: bool = False,
        by: str = "",
    ) -> Queue:
        """Bound how often jobs of a queue start: ``count`` in any ``per``, ``burst`` at once.

        ``count`` ``None``: no bound. For the rest see :meth:`limit`.
        """
        rate = None if count is None else Rate(count=count, per=per, burst=burst)
        return await self._configure(queue, SetRate(rate=rate, key=key, each=each, by=by))

    async def aging(self, queue: str, places: int | None, *, by: str = "") -> Queue:
        """Say how many places in line a level of priority is worth; ``None``: always more."""
        return await self._configure(queue, SetAging(aging=places, by=by))

    async def queue(self, name: str) -> Queue:
        """What is set for a queue; one for which nothing is set is like any other."""
        found = await self.store.aggregate(queue_stream(name))
        return found if isinstance(found, Queue) else Queue(name=name)

    async def stats(
        self,
        queue: str | None = None,
        *,
        window: timedelta = QUARTER,
        sample: int = 1_000,
        lines: int = 1_000,
    ) -> Statistics:
        """How much waits, runs and ends, how fast, and for how long: all of one instant.

        Args:
            queue: of this one; ``None``: of all.
            window: which ends count: those since so long ago.
            sample: of how many jobs, those that ended last, the times are taken.
            lines: how many queues, and how many of their keys, to list.

        Raises:
            ValueError: a number or the window is out of range.
        """
        queues = None if queue is None else frozenset({queue})
        scope = Scope(queues=queues, window=window, sample=sample, lines=lines)
        return measured(await self.store.survey(scope))

    async def place(self, job_id: JobId) -> Standing:
        """Where a job stands in line, and who holds the slots of its lane.

        Raises:
            Rejected: there is no such job.
        """
        found = await self.store.standing(job_id)
        if found is None:
            raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="place")
        return found

    async def _configure(self, name: str, command: QueueCommand) -> Queue:
        name = Lane(queue=name).queue  # Refuses what can be no queue's name.
        committed = await self.store.transact(
            Named(queues=(name,)), lambda view: configure(view, name, command)
        )
        for revision in committed.revisions:
            if isinstance(revision.after, Queue):
                return revision.after
        return await self.queue(name)
