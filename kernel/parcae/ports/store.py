"""The port of stores: a transaction function over pure rules, and questions beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from parcae.change import Aggregate, AggregateEvent, AnyEvent, Change, Revision, View
from parcae.deliveries import Standing as Stage
from parcae.events import Event
from parcae.ports.answers import (
    Committed,
    DeliveryPage,
    DeliveryQuery,
    Extent,
    Page,
    Query,
    Recorded,
)
from parcae.ports.selections import Named, Overdue, Selection
from parcae.ports.world import Clock, EventBus
from parcae.state import Stored
from parcae.survey import Scope, Standing, Survey
from parcae.values import Instant, JobId, Position, Status, StreamId, Version, WorkerId
from parcae.workers import Presence

Rule = Callable[[View], Sequence[Change | Revision]]
"""Pure: what becomes of what is in the view. May be run more than once for one transaction."""


class Store(EventBus, Protocol):
    """Where jobs are kept, and wake-ups about them.

    1. ``transact`` loads what the selection names, reads ``now`` inside the transaction and after
       its locks, runs the rule, and stores its changes: all of them or none (S23).
    2. What one transaction stores depends on no other that is under way (strictly serialisable):
       if the answer of one precedes the call of another, so does its position.
    3. It answers after the commit is durable at the level that the store declares (S27).
    4. If the rule raises, nothing is written, and the exception reaches this caller alone.
    5. Events get the versions after ``Change.before`` one by one: (job, version) is unique, and a
       change whose ``before`` is not the stored version raises ``Conflict``. Positions only grow;
       a reader of ``log`` never skips one that commits late (S16).
    6. The row of a job is ``Change.job`` and ``Change.liveness``, and what ``Change.effects`` says
       of ``Offer`` and ``Remind``, in place of what was there. With ``Change.job`` ``None`` and a
       ``Deleted`` among the events, its row, blobs and earlier events go; ``Deleted`` stays.
    7. An ended job's status and cause never change, nor does its history but for evidence,
       notes and ``Deleted``: refused even if a rule asks for it.
    8. ``View.place`` is greater than every place any committed change has used.
    9. ``Change.idle`` writes nothing. A changed liveness alone adds no event and no position.
    10. A commit wakes whoever waits on the bus.
    11. All methods may be awaited from any event loop, in any thread.
    12. ``Revision`` is stored like a change: its events in the same log under its stream, (stream,
       version) unique, its row and its ``remind`` in place of what was there.
    13. Pending jobs wait for what their state says is unsettled: an index of it gives dependents.
       An ended job or group of which some still wait is overdue until they do not (``Remind``).
    14. A record that cannot be read raises ``Corrupt`` with its job and position; a store that
        cannot answer raises ``Unavailable``; after it, repeating is safe.
    15. ``survey`` and ``standing`` count what one commit left behind, ``now`` read after it: each
       job once, whatever commits meanwhile. They hold up no commit.
    16. ``look`` shows what ``transact`` would show to a rule, of one instant and without a lock:
        nobody who writes keeps it waiting. What a host has handed in and nobody has admitted yet
        need not be in it.
    17. ``enlist`` writes a row of the register of workers in place of that worker's former one,
        and strikes out who was to be taken for gone before
        :func:`parcae.workers.forgotten_before` of what it says, and of more than
        :data:`parcae.workers.MOST_WORKERS` those that are gone first. No event, no position, and
        it need not wake anybody. ``dismiss`` of one that is not there does nothing.
    18. ``ended`` finds by an index what has ended so by then: how many others there are does not
        matter for the cost.
    19. ``expire`` deletes keys of the named scopes whose ``expires_at`` is there and ≤ ``before``,
        and nothing else; which of them first does not matter. No event, no position.
    20. What a rule gives back is stored as :func:`parcae.outbox.complete` completes it: with the
        deliveries that it owes, in the same commit (S14). All subscriptions and the seal are in
        every view.
    21. A ``Revision`` without an aggregate after it deletes it: its row, its blobs and all events
        but the last go. ``blobs`` are kept with it, those ``dropped`` go.
    22. ``extent`` says of one instant where the log ends, and up to where events of it may have
        been deleted: past ``Extent.whole`` none is missing, so that whoever goes on from there or
        later misses nothing. Events of deliveries do not count: nobody is told of them. Neither
        goes back.
    """

    @property
    def clock(self) -> Clock:
        """The clock that ``now`` is read from."""
        ...

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Load, decide by ``rule``, store, in one atomic step."""
        ...

    async def fetch(self, job_id: JobId) -> Stored | None:
        """One job; ``None``: there is none."""
        ...

    async def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        ...

    async def count(self, query: Query) -> Mapping[Status, int]:
        """How many jobs a query names, by status; ``limit`` and ``cursor`` do not matter."""
        ...

    async def history(
        self, job_id: JobId, after: Version = Version(0)
    ) -> Sequence[Recorded[Event]]:
        """The events of one job, in order."""
        ...

    async def record(self, stream: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """The events of one queue, group or schedule, in order."""
        ...

    async def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule; ``None``: there is none."""
        ...

    async def aggregates(self, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Queues, groups and schedules, by the names of their streams, from past ``after`` on."""
        ...

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """The events of all jobs, queues, groups and schedules, in order."""
        ...

    async def extent(self) -> Extent:
        """How far the log reaches, and from where on it is whole."""
        ...

    async def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of those of the named blobs that exist."""
        ...

    async def next_due(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant at which some job is offered or falls due, some group or schedule
        is to be looked at, or some rate lets jobs start again; ``None``: never.

        With ``after``, only later ones count: what has fallen due already, but is offered to
        nobody who is there, wakes nobody again.
        """
        ...

    async def survey(self, scope: Scope) -> Survey:
        """What is in the queues, by :func:`parcae.survey.surveyed`, of one instant."""
        ...

    async def standing(self, job_id: JobId) -> Standing | None:
        """Where a job stands in line, by :func:`parcae.survey.before`; ``None``: there is none."""
        ...

    async def look(self, selection: Named | Overdue) -> View:
        """What a rule would be shown now; nothing comes of it."""
        ...

    async def ended(
        self, status: Status, until: Instant, *, cursor: str = "", limit: int = 100
    ) -> Page:
        """A page of jobs that ended so, at ``until`` or earlier, the first to end first."""
        ...

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that are over; how many were deleted."""
        ...

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there."""
        ...

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out of the register."""
        ...

    async def workers(self) -> Sequence[Presence]:
        """Everybody in the register, by name; who of them is there, the kernel judges."""
        ...

    async def audit(self) -> Sequence[str]:
        """What is wrong with the store itself, beside what a refold finds; empty: nothing."""
        ...

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries, newest first."""
        ...

    async def tally(self) -> Mapping[tuple[str, Stage], int]:
        """How many deliveries are in which of their states, by subscription."""
        ...

    async def next_delivery(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant, later than ``after``, at which some delivery is due in the lines
        of :func:`parcae.outbox.sendable`; ``None``: never."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go; a second call does nothing."""
        ...
