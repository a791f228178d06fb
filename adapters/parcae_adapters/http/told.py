"""Pages of the log as they go out: each event as the bytes of its server-sent event."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from attrs import field, frozen

from parcae.change import AnyEvent
from parcae.cloudevents import TYPES, About, about, encode, envelope
from parcae.errors import Corrupt
from parcae.events import Deleted, Event
from parcae.evolve import evolve, fold
from parcae.ports import Recorded, Store
from parcae.state import Job
from parcae.values import JobId, Position, StreamId

KNOWN = 10_000
"""Jobs that are kept in mind; of another one the history is read again."""

RESET = "reset"
"""The type of what says that events are missing."""

_TYPE_OF = {tag: type_ for type_, tag in TYPES.items()}


@frozen(kw_only=True)
class Told:
    """One event on its way out.

    Attributes:
        position: of the event in the log.
        about: what filters look at; ``None``: events are missing before it, which all are told.
        frame: the server-sent event, whole.
    """

    position: Position
    about: About | None
    frame: bytes = field(repr=False)


@frozen(kw_only=True)
class Page:
    """Some of the log.

    Attributes:
        told: what is to be told, in order.
        reached: the position up to which that is all; where it was before: there is no more.
    """

    told: Sequence[Told]
    reached: Position


def reset(after: Position, whole: Position) -> Told:
    """Says that events between two positions are missing, and that it goes on after the second."""
    data = json.dumps({"after": after, "position": whole}, separators=(",", ":"))
    return Told(position=whole, about=None, frame=_frame(whole, RESET, data))


def _frame(position: Position, type_: str, data: str) -> bytes:
    return f"id: {position}\nevent: {type_}\ndata: {data}\n\n".encode()


class Teller:
    """Reads the log of a store in pages, and knows the jobs whose events it tells.

    Args:
        store: whose log.
        source: who tells, as a URI reference.
        known: how many jobs are kept in mind.
    """

    def __init__(self, store: Store, source: str, known: int = KNOWN) -> None:
        self._store = store
        self._source = source
        self._known = known
        self._jobs: OrderedDict[StreamId, Job] = OrderedDict()

    async def page(self, after: Position, limit: int) -> Page:
        """The events after a position, up to ``limit`` of them.

        Where events are missing the page ends with what says so: those of deleted jobs go, and
        one that cannot be read is passed over, in the knowledge of whoever reads.

        Raises:
            Unavailable: the store could not answer.
        """
        told: list[Told] = []
        reached = after
        try:
            found = await self._read(after, limit)
        except Corrupt as error:
            # Alone on its page: the next event is the one that cannot be read.
            if error.position is None:
                raise
            return self._gap(told, after, Position(error.position))
        for one in found:
            if one.position > reached + 1:
                whole = (await self._store.extent()).whole
                if whole > reached:
                    return self._gap(told, reached, whole)
            try:
                job = await self._after(one)
            except Corrupt:
                # It was deleted since the page was read, or cannot be followed.
                whole = (await self._store.extent()).whole
                return self._gap(told, reached, max(whole, one.position))
            reached = one.position
            self._tell(told, one, job)
        return Page(told=told, reached=reached)

    async def _read(self, after: Position, limit: int) -> Sequence[Recorded[AnyEvent]]:
        while True:
            try:
                return await self._store.log(after, limit)
            except Corrupt:
                if limit == 1:
                    raise
                limit //= 2

    def _gap(self, told: list[Told], after: Position, whole: Position) -> Page:
        return Page(told=[*told, reset(after, whole)], reached=whole)

    def _tell(self, told: list[Told], one: Recorded[AnyEvent], job: Job | None) -> None:
        subject = about(one.stream, one.event, job)
        shown = envelope(one.stream, one.version, one.event, job, source=self._source)
        if subject is not None and shown is not None:
            frame = _frame(one.position, _TYPE_OF[subject.tag], encode(shown))
            told.append(Told(position=one.position, about=subject, frame=frame))

    async def _after(self, one: Recorded[AnyEvent]) -> Job | None:
        """The job after an event of it; ``None``: it is of no job, or the job is deleted.

        Raises:
            Corrupt: nobody knows any more what came before it.
        """
        event, stream = one.event, one.stream
        before = self._jobs.pop(stream, None)
        if not isinstance(event, Event) or isinstance(event, Deleted):
            return None
        follows = one.version == (1 if before is None else before.version + 1)
        job = evolve(JobId(stream), before, event) if follows else await self._folded(one)
        # After its end come notes and evidence at the most: then its history is read again.
        if job is not None and not job.status.is_terminal:
            self._jobs[stream] = job
            if len(self._jobs) > self._known:
                self._jobs.popitem(last=False)
        return job

    async def _folded(self, one: Recorded[AnyEvent]) -> Job | None:
        job_id = JobId(one.stream)
        history = await self._store.history(job_id)
        if not history or history[0].version != 1:
            raise Corrupt("its history is gone", job_id=job_id, position=one.position)
        return fold(job_id, (each.event for each in history if each.version <= one.version))
