"""What is watched: a job, a queue, a group, or everything."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from parcae import Engine, GroupId, JobId
from parcae.change import AnyEvent
from parcae.events import Event, Submitted
from parcae.ports import Recorded
from parcae.queues import queue_stream
from parcae.spec import Spec
from parcae.state import Ended
from parcae.values import Position, StreamId
from parcae_adapters.cli.codes import Exit, of_outcome
from parcae_adapters.cli.session import job_named
from parcae_adapters.cli.verbs.group import group_named, lost_in

KNOWN = 10_000
"""Jobs of which it is remembered whether they are watched."""


class Scope:
    """What is watched. At most one of a job, a queue and a group."""

    def __init__(
        self,
        engine: Engine,
        job_id: JobId | None = None,
        queue: str | None = None,
        group_id: GroupId | None = None,
    ) -> None:
        self.job_id, self.queue, self.group_id = job_id, queue, group_id
        self._engine = engine
        self._known: OrderedDict[StreamId, bool] = OrderedDict()

    async def past(self, until: Position) -> Sequence[Recorded[AnyEvent]]:
        """What happened to the job up to ``until``; what happened to many would be too much."""
        if self.job_id is None:
            return ()
        history = await self._engine.history(self.job_id)
        return [one for one in history if one.position <= until]

    async def concerns(self, one: Recorded[AnyEvent]) -> bool:
        """Whether an event is of what is watched."""
        stream = one.stream
        if self.job_id is not None:
            return stream == StreamId(self.job_id)
        if not isinstance(one.event, Event):
            return self._whole(stream)
        if stream not in self._known:
            self._known[stream] = await self._belongs(one)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[stream]

    def _whole(self, stream: StreamId) -> bool:
        if self.queue is not None:
            return stream == queue_stream(self.queue)
        return self.group_id is None or stream == StreamId(self.group_id)

    async def _belongs(self, one: Recorded[AnyEvent]) -> bool:
        if self.queue is None and self.group_id is None:
            return True
        spec = await self._spec(one)
        if spec is None:
            return False
        if self.queue is not None:
            return spec.lane.queue == self.queue
        return spec.group is not None and spec.group.group_id == self.group_id

    async def _spec(self, one: Recorded[AnyEvent]) -> Spec | None:
        if isinstance(one.event, Submitted):
            return one.event.spec
        stored = await self._engine.stored(JobId(one.stream))
        return stored.job.spec if stored is not None else None

    async def ended(self) -> Exit | None:
        """How the job or the group ended; ``None``: it has not, or nothing of the kind ever will.

        Raises:
            Rejected: it was deleted meanwhile.
        """
        if self.job_id is not None:
            job = await self._engine.show(self.job_id)
            over = isinstance(job.state, Ended)
            return of_outcome(await self._engine.outcome(job)) if over else None
        if self.group_id is None:
            return None
        return await _end_of(self._engine, self.group_id)


async def _end_of(engine: Engine, group_id: GroupId) -> Exit | None:
    group = await engine.group(group_id)
    if group.status is None:
        return None
    outcome = await engine.wait_for_group(group_id)
    if outcome.completed:
        return Exit.OK
    return Exit.JOB_LOST if await lost_in(engine, group_id) else Exit.JOB_FAILED


async def scope_of(
    engine: Engine, *, job: str | None, queue: str | None, group: str | None
) -> Scope:
    """What the words name.

    Raises:
        NotFound: there is no such job or group.
        Refused: there are several.
    """
    if job is not None:
        return Scope(engine, job_id=await job_named(engine, job))
    if group is not None:
        return Scope(engine, group_id=await group_named(engine, group))
    return Scope(engine, queue=queue)
