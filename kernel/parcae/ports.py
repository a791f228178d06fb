"""What the kernel asks of the world, as Protocols with numbered requirements.

The kernel owns legality, order, fencing, retry arithmetic and what is owed to whom. Whoever
implements these ports owns bytes, time and wake-ups, and chooses no transition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from attrs import Factory, field, frozen

from parcae.change import Aggregate, AggregateEvent, AnyEvent, Change, Key, Revision, View
from parcae.deliveries import Delivery
from parcae.deliveries import Standing as Stage
from parcae.events import Event
from parcae.state import Stored
from parcae.survey import Scope, Standing, Survey
from parcae.values import (
    GroupId,
    Instant,
    JobId,
    Position,
    Status,
    StreamId,
    Version,
    WorkerId,
    valid_number,
)
from parcae.workers import Presence

E = TypeVar("E", covariant=True)

Rule = Callable[[View], Sequence[Change | Revision]]
"""Pure: what becomes of what is in the view. May be run more than once for one transaction."""

CASCADE = 256
"""How many pending dependents, direct and indirect, a view holds at the most."""


@frozen(kw_only=True)
class Named:
    """These jobs, keys and the jobs that the keys belong to, queues, groups and schedules.

    The names of ``ids`` may be groups' too, which then are in ``View.groups``. With the jobs and
    groups come their pending dependents, with the jobs their groups and queues, and which of them
    are needed. Blobs where asked for. With deliveries of ordered subscriptions comes the next open
    one of the same subject. With ``lines``: ``View.held`` of the jobs' queues, and the
    keys of the jobs' rates, so that one of them may be claimed by its name.
    """

    ids: tuple[JobId, ...] = ()
    keys: tuple[Key, ...] = ()
    blobs: bool = False
    queues: tuple[str, ...] = ()
    groups: tuple[GroupId, ...] = ()
    schedules: tuple[str, ...] = ()
    lines: bool = False
    deliveries: tuple[StreamId, ...] = ()


@frozen(kw_only=True)
class Claimable:
    """The ``limit`` jobs that :func:`parcae.admission.choose` takes of all that are offered now to
    these kinds and queues, and those that are held by ``worker`` under this very ``request``.

    Offered now: ``Offer.at`` ≤ now < ``Offer.until``. ``queues`` ``None``: all. Those that are
    to be left ``without`` are as if they were of a kind that is not served. With them come
    their queues, ``View.held``, and the keys of their rates (:func:`parcae.admission.rate_keys`).
    More jobs than are taken are lawful; how many others wait must not matter for the cost.
    """

    worker: WorkerId
    request: str
    kinds: frozenset[str]
    queues: frozenset[str] | None = None
    limit: int = field(default=1, validator=valid_number(1, 1_000))
    without: frozenset[JobId] = frozenset()


@frozen(kw_only=True)
class Overdue:
    """The ``limit`` jobs whose ``Remind.at`` ≤ now, the longest overdue first.

    With them come their pending dependents, their groups and queues.
    """

    limit: int = field(default=100, validator=valid_number(1, 1_000))


@frozen(kw_only=True)
class Restless:
    """The group whose ``Revision.remind`` ≤ now, the longest overdue; at most one.

    It is the first in ``View.groups``. In ``View.members``, and in ``View.jobs``: the ``limit``
    members that are first in its :func:`parcae.groups.window`, with their pending dependents,
    their groups, queues and :func:`parcae.admit.carry_key`, and their blobs if it says so.
    """

    limit: int = field(default=100, validator=valid_number(1, 1_000))


@frozen(kw_only=True)
class Ticking:
    """The ``limit`` schedules whose ``Revision.remind`` ≤ now, the longest overdue first.

    With them come the queues of their jobs.
    """

    limit: int = field(default=20, validator=valid_number(1, 1_000))


@frozen(kw_only=True)
class Deliverable:
    """The deliveries that are held by ``worker`` under this very ``request``; if there are none,
    the ``limit`` ones, the longest due first, that are due in the lines of
    :func:`parcae.outbox.sendable`, of each line no more than it has room for.

    Due: ``Revision.remind`` ≤ now. Their bodies are in ``View.blobs``. With one of an ordered
    subscription comes the first open one of the same subject, which may be due later.

    Attributes:
        worker: who asks.
        request: a key of this very request.
        limit: how many at the most.
        each: how many of one subscription at the most.
        room: how many of these subscriptions, in place of ``each``; 0: none.
    """

    worker: WorkerId
    request: str
    limit: int = field(default=100, validator=valid_number(1, 1_000))
    each: int = field(default=10, validator=valid_number(1, 1_000))
    room: Mapping[str, int] = Factory(dict)


@frozen(kw_only=True)
class Spent:
    """The ``limit`` deliveries that were delivered, or given up, before these instants."""

    delivered_before: Instant
    dead_before: Instant
    limit: int = field(default=100, validator=valid_number(1, 1_000))


Selection = Named | Claimable | Overdue | Restless | Ticking | Deliverable | Spent


@frozen(kw_only=True)
class Recorded(Generic[E]):
    """An event in the log.

    Attributes:
        position: in the log of the store.
        stream: whose it is: the id of a job, or the name of a queue's, a group's or a schedule's
            history.
        version: of whose it is, once it had happened.
        event: what happened.
    """

    position: Position
    stream: StreamId
    version: Version
    event: E


@frozen(kw_only=True)
class Committed:
    """What a transaction did.

    Attributes:
        changes: what its rule made of jobs.
        position: the log's head after them.
        revisions: what its rule made of queues, groups and schedules.
    """

    changes: Sequence[Change]
    position: Position
    revisions: Sequence[Revision] = ()


@frozen(kw_only=True)
class Query:
    """Which jobs to list. Empty sets do not restrict.

    Attributes:
        statuses: in one of these.
        kinds: of one of these.
        queues: in one of these.
        worker: held by this worker.
        group: members of this group, and jobs that undo what they did.
        limit: how many at the most.
        cursor: where the page before ended, as it said.
    """

    statuses: frozenset[Status] = frozenset()
    kinds: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    worker: WorkerId | None = None
    group: GroupId | None = None
    limit: int = field(default=100, validator=valid_number(1, 1_000))
    cursor: str = ""


@frozen(kw_only=True)
class Page:
    """Some of the jobs that a query names, newest id first.

    Attributes:
        jobs: these.
        cursor: where the next page begins; empty: there is none.
    """

    jobs: Sequence[Stored] = Factory(tuple)
    cursor: str = ""


@frozen(kw_only=True)
class DeliveryQuery:
    """Which deliveries to list. Empty sets do not restrict.

    Attributes:
        states: pending, delivering, delivered, dead; withheld and disabled are no states of theirs.
        subscriptions: owed to these.
        subject: of the events of this stream.
        limit: how many at the most.
        cursor: where the page before ended, as it said.
    """

    states: frozenset[Stage] = frozenset()
    subscriptions: frozenset[str] = frozenset()
    subject: StreamId | None = None
    limit: int = field(default=100, validator=valid_number(1, 1_000))
    cursor: str = ""


@frozen(kw_only=True)
class DeliveryPage:
    """Some of the deliveries that a query names, newest id first.

    Attributes:
        deliveries: these.
        cursor: where the next page begins; empty: there is none.
    """

    deliveries: Sequence[Delivery] = Factory(tuple)
    cursor: str = ""


@frozen(kw_only=True)
class Extent:
    """How far the log reaches.

    Attributes:
        whole: past this position nothing is missing; before it, events of deleted jobs may be. 0:
            nothing was ever deleted.
        head: the last position; 0: nothing has happened yet.
    """

    whole: Position = Position(0)
    head: Position = Position(0)


class Clock(Protocol):
    """Time.

    1. ``now`` is an aware UTC datetime. It may jump, either way; the kernel bears that.
    2. ``sleep_until`` returns once ``now`` ≥ the instant; it may be awaited from any event loop.
    """

    def now(self) -> Instant:
        """The present instant."""
        ...

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant`` or later."""
        ...


class EventBus(Protocol):
    """Wake-ups: nothing that must happen depends on them, they only make it happen soon.

    1. ``mark`` counts commits; it never goes back.
    2. ``wait`` returns as soon as a commit, of this process or another, comes after ``mark``, even
       if it came before the call, or at ``until``; with the present mark. No commit is missed.
    3. With a job, only commits that announce its end or its deletion need count, so that many can
       wait for their jobs while others commit; returning for other commits too is lawful.
    4. It may be awaited from any event loop, in any thread, by many at once.
    """

    def mark(self) -> int:
        """How many commits were noticed so far."""
        ...

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark`` (for ``job_id``), or at ``until``."""
        ...


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


class Entropy(Protocol):
    """Chance, for those who implement :class:`Store`."""

    def __call__(self) -> int:
        """128 random bits."""
        ...
