"""A store in this process's memory: the reference that every other store is compared with.

It is complete, and forgets everything when the process ends. With a hand-moved clock and entropy
of its caller's choice it does the same thing in every run.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from parcae.change import Aggregate, AggregateEvent, AnyEvent, Revision, View, announced
from parcae.deliveries import Standing as Stage
from parcae.errors import Unavailable
from parcae.events import Event
from parcae.outbox import complete, sendable
from parcae.ports import (
    Clock,
    Committed,
    DeliveryPage,
    DeliveryQuery,
    Entropy,
    Extent,
    Named,
    Overdue,
    Page,
    Query,
    Recorded,
    Rule,
    Selection,
)
from parcae.state import Stored
from parcae.survey import Scope, Standing, Survey
from parcae.values import Instant, JobId, Position, Status, StreamId, Version, WorkerId
from parcae.workers import Presence
from parcae_adapters.clock import SystemClock
from parcae_adapters.contract import check, split
from parcae_adapters.memory.faults import faults
from parcae_adapters.memory.register import Register
from parcae_adapters.memory.shelves import Shelves
from parcae_adapters.memory.survey import standing, survey
from parcae_adapters.memory.views import view
from parcae_adapters.wakeups import Wakeups

__all__ = ["MemoryStore"]


def _chance() -> int:
    return secrets.randbits(128)


class MemoryStore:
    """A :class:`parcae.ports.Store` in memory. One transaction at a time, of any thread.

    Durability: none. Claims and reminders look at waiting jobs only, never at ended ones.
    """

    def __init__(self, *, clock: Clock | None = None, entropy: Entropy = _chance) -> None:
        """An empty store.

        Args:
            clock: what ``now`` is read from; by default the system's.
            entropy: where chance comes from: 128 bits a call.
        """
        self._clock: Clock = SystemClock() if clock is None else clock
        self._entropy = entropy
        self._lock = threading.Lock()
        self._bus = Wakeups(self._clock)
        self._shelves = Shelves()
        self._register = Register()
        self._open = True

    @property
    def clock(self) -> Clock:
        """The clock that ``now`` is read from."""
        return self._clock

    def mark(self) -> int:
        """How many commits there were so far."""
        return self._bus.mark()

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark``, or at ``until`` by the clock."""
        self._require_open()
        return await self._bus.wait(mark, until, job_id)

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Load, decide by ``rule``, store, in one atomic step.

        Raises:
            Conflict: a change was made for another version than the stored one.
            Rejected: a change would touch the outcome of an ended job.
            Unavailable: the store was closed.
        """
        # Whoever transacts in a loop must not keep its event loop from everybody else.
        await asyncio.sleep(0)
        with self._lock:
            self._require_open()
            shelves = self._shelves
            shown = self._view(selection)
            result = complete(shown, tuple(rule(shown)))
            check(result, shelves.stored, shelves.reached)
            changes, revisions = split(result)
            written = [change for change in changes if not change.idle]
            shelves.refuse_reuse(written)
            # In the rule's own order, for that is the order of the log.
            for one in result:
                if isinstance(one, Revision):
                    shelves.revise(one)
                elif not one.idle:
                    shelves.write(one)
            position = shelves.position
            if written or revisions:
                self._bus.notify(announced((*written, *revisions)))
        return Committed(changes=changes, position=position, revisions=revisions)

    async def fetch(self, job_id: JobId) -> Stored | None:
        """One job; ``None``: there is none."""
        with self._lock:
            self._require_open()
            return self._shelves.stored(job_id)

    async def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        with self._lock:
            self._require_open()
            matching = self._shelves.matching(query, query.cursor)
            found = tuple(islice(matching, query.limit))
            more = next(matching, None) is not None
        return Page(jobs=found, cursor=found[-1].job.id if more else "")

    async def count(self, query: Query) -> Mapping[Status, int]:
        """How many jobs a query names, by status; no entry for a status without any."""
        counted = dict.fromkeys(Status, 0)
        with self._lock:
            self._require_open()
            for stored in self._shelves.matching(query, ""):
                counted[stored.job.status] += 1
        return {status: number for status, number in counted.items() if number}

    async def history(
        self, job_id: JobId, after: Version = Version(0)
    ) -> Sequence[Recorded[Event]]:
        """The events of one job, in order; of a deleted one its ``Deleted`` alone."""
        with self._lock:
            self._require_open()
            history = self._shelves.history(job_id)
            return tuple(one for one in history if one.version > after)

    async def record(self, stream: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """The events of one queue, group or schedule, in order."""
        with self._lock:
            self._require_open()
            return self._shelves.record(stream)

    async def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule; ``None``: there is none."""
        with self._lock:
            self._require_open()
            return self._shelves.streams.aggregate(stream)

    async def aggregates(self, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Queues, groups and schedules, by the names of their streams, from past ``after`` on."""
        with self._lock:
            self._require_open()
            return self._shelves.streams.page(after, limit)

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """The events of all jobs, queues, groups and schedules, in order."""
        with self._lock:
            self._require_open()
            return tuple(islice(self._shelves.log(after), max(limit, 0)))

    async def extent(self) -> Extent:
        """How far the log reaches, and from where on it is whole."""
        with self._lock:
            self._require_open()
            return self._shelves.extent()

    async def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of those of the named blobs that exist."""
        with self._lock:
            self._require_open()
            kept = self._shelves.blobs(job_id)
        return {name: kept[name] for name in names if name in kept}

    async def next_due(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant, later than ``after``, at which somebody has to look."""
        with self._lock:
            self._require_open()
            instants = self._shelves.instants()
            return min((at for at in instants if after is None or at > after), default=None)

    async def survey(self, scope: Scope) -> Survey:
        """What is in the queues, all of one instant."""
        with self._lock:
            self._require_open()
            return survey(self._shelves, scope, self._clock.now())

    async def standing(self, job_id: JobId) -> Standing | None:
        """Where a job stands in line; ``None``: there is none."""
        with self._lock:
            self._require_open()
            return standing(self._shelves, job_id, self._clock.now())

    async def look(self, selection: Named | Overdue) -> View:
        """What a rule would be shown now; nothing comes of it."""
        with self._lock:
            self._require_open()
            return self._view(selection)

    async def ended(
        self, status: Status, until: Instant, *, cursor: str = "", limit: int = 100
    ) -> Page:
        """A page of jobs that ended so, at ``until`` or earlier, the first to end first."""
        with self._lock:
            self._require_open()
            return self._shelves.ended(status, until, cursor, limit)

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that are over; how many were deleted."""
        with self._lock:
            self._require_open()
            return self._shelves.expire(scopes, before, limit)

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there."""
        with self._lock:
            self._require_open()
            self._register.enlist(presence)

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out of the register."""
        with self._lock:
            self._require_open()
            self._register.dismiss(worker)

    async def workers(self) -> Sequence[Presence]:
        """Everybody in the register, by name."""
        with self._lock:
            self._require_open()
            return self._register.all()

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries, newest first."""
        with self._lock:
            self._require_open()
            return self._shelves.streams.outgoing.page(query)

    async def tally(self) -> Mapping[tuple[str, Stage], int]:
        """How many deliveries are in which of their states, by subscription."""
        with self._lock:
            self._require_open()
            return self._shelves.streams.outgoing.tally()

    async def next_delivery(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant, later than ``after``, at which some delivery is due."""
        with self._lock:
            self._require_open()
            streams = self._shelves.streams
            lines = sendable(streams.subscriptions, streams.seal)
            return streams.outgoing.next(lines, after)

    async def audit(self) -> Sequence[str]:
        """What is wrong with the store itself; empty: nothing."""
        with self._lock:
            self._require_open()
            return tuple(faults(self._shelves))

    async def close(self) -> None:
        """Answer nothing any more; a second call does nothing."""
        with self._lock:
            self._open = False
        self._bus.close()

    def _require_open(self) -> None:
        if not self._open:
            raise Unavailable("the store is closed")

    def _view(self, selection: Selection) -> View:
        return view(self._shelves, selection, self._clock.now(), self._entropy())
