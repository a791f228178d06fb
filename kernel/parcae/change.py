"""What a store shows to a rule, and what a rule gives back to be stored in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import Factory, frozen

from parcae.answers import Answer
from parcae.deliveries import Delivery, DeliveryEvent
from parcae.effects import Announce, Effect
from parcae.events import Event
from parcae.groups import Group, GroupEvent
from parcae.queues import Queue, QueueEvent, queue_stream
from parcae.schedules import Schedule, ScheduleEvent, schedule_stream
from parcae.seal import SEAL, Seal, SealEvent
from parcae.state import Job, Liveness, Stored
from parcae.subscriptions import Subscription, SubscriptionEvent, subscription_stream
from parcae.values import Blob, GroupId, Instant, JobId, Lane, Place, StreamId, Version

Aggregate = Queue | Group | Schedule | Subscription | Delivery | Seal
"""What else has a history, beside jobs."""
AggregateEvent = (
    QueueEvent | GroupEvent | ScheduleEvent | SubscriptionEvent | DeliveryEvent | SealEvent
)
AnyEvent = Event | AggregateEvent


def stream_of(aggregate: Aggregate) -> StreamId:
    """The name of the history of ``aggregate``."""
    match aggregate:
        case Group() | Delivery():
            return StreamId(aggregate.id)
        case Queue():
            return queue_stream(aggregate.name)
        case Schedule():
            return schedule_stream(aggregate.name)
        case Subscription():
            return subscription_stream(aggregate.name)
        case Seal():
            return SEAL


@frozen(kw_only=True)
class Key:
    """The name of a row that only one job can have.

    Attributes:
        scope: what kind of key: ``submit`` for idempotency keys, ``carry`` for what a retry
            takes over from its origin, ``unique`` for constraints, ``rate`` for starts.
        key: unique within the scope.
    """

    scope: str
    key: str


@frozen(kw_only=True)
class KeyRow:
    """A key that a job has taken. It outlives the job.

    Attributes:
        key: its name.
        fingerprint: of what was asked with it: the same key with another body is refused.
        job_id: the job that has it.
        expires_at: from then on it is free again; ``None``: never.
    """

    key: Key
    fingerprint: str
    job_id: JobId
    expires_at: Instant | None = None


@frozen(kw_only=True)
class View:
    """What a store loaded for a rule, all of one instant, under its locks.

    Attributes:
        now: read inside the transaction, after its locks.
        place: the first free place in line; a rule that needs more takes the following ones.
        seed: 128 random bits, fresh for each run of the rule.
        jobs: those the selection found, in its order, and the ``dependents`` of any of them.
        keys: those of the wanted keys that exist, expired ones included.
        blobs: the bytes of the wanted jobs' blobs, by job and name, where the selection asks.
        dependents: of each job or group of the view, the pending jobs that wait for it, all of
            them in ``jobs`` too; and theirs, and so on.
        partial: the jobs and groups of which not all dependents are in the view.
        needed: the jobs that were asked for by name, or by a key, of which some dependent has
            not ended.
        queues: those of the jobs, and those asked for, as far as anything is set for them.
        held: how many jobs of each lane hold a slot, in the queues that have bounds.
        groups: those that the jobs belong to, and those asked for.
        members: of the group that is to go on, the members in its window, in its order.
        schedules: those asked for.
        subscriptions: all of them, removed ones included.
        seal: that of the store.
        deliveries: those the selection found, in its order, and which stand before them.
    """

    now: Instant
    place: Place
    seed: int
    jobs: Mapping[JobId, Stored] = Factory(dict)
    keys: Mapping[Key, KeyRow] = Factory(dict)
    blobs: Mapping[tuple[JobId, str], bytes] = Factory(dict)
    dependents: Mapping[str, tuple[JobId, ...]] = Factory(dict)
    partial: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    queues: Mapping[str, Queue] = Factory(dict)
    held: Mapping[Lane, int] = Factory(dict)
    groups: Mapping[GroupId, Group] = Factory(dict)
    members: tuple[JobId, ...] = ()
    schedules: Mapping[str, Schedule] = Factory(dict)
    subscriptions: Mapping[str, Subscription] = Factory(dict)
    seal: Seal = Factory(Seal)
    deliveries: Mapping[StreamId, Delivery] = Factory(dict)


@frozen(kw_only=True)
class Revision:
    """What becomes of a queue, a group, a schedule, a subscription, a delivery or the seal.

    Attributes:
        stream: the name of its history.
        before: its version before: the events get the versions after it, one by one.
        events: what happened, in order.
        after: the fold after them; ``None``: it is deleted, and all but its last event goes.
        remind: when to look at it again; ``None``: never.
        keys: rows to write, in place of any of the same key.
        blobs: bytes to keep with it.
        dropped: the names of bytes to keep no longer.
        restored: its events are old ones from elsewhere: nobody is told of them.
    """

    stream: StreamId
    before: Version
    events: tuple[AggregateEvent, ...]
    after: Aggregate | None
    remind: Instant | None = None
    keys: tuple[KeyRow, ...] = ()
    blobs: tuple[tuple[Blob, bytes], ...] = ()
    dropped: tuple[str, ...] = ()
    restored: bool = False


@frozen(kw_only=True)
class Change:
    """What becomes of one job, and what the caller is told.

    Attributes:
        job_id: which one.
        before: its version before: the events get the versions after it, one by one.
        events: what happened, in order; empty where nothing did.
        job: the fold after them; ``None``: there is none (refused, or deleted).
        liveness: beside the fold, as it now is.
        blobs: bytes to keep with the job.
        keys: rows to write, in place of any of the same key.
        effects: what follows from the state after, to be kept with it, and whom to tell.
        answer: what the caller is told once all this is committed.
        idle: nothing is to be written at all.
        restored: its events are old ones from elsewhere: nobody is told of them.
    """

    job_id: JobId
    before: Version
    job: Job | None
    answer: Answer
    events: tuple[Event, ...] = ()
    liveness: Liveness | None = None
    blobs: tuple[tuple[Blob, bytes], ...] = ()
    keys: tuple[KeyRow, ...] = ()
    effects: tuple[Effect, ...] = ()
    idle: bool = False
    restored: bool = False


def announced(changes: Iterable[Change | Revision]) -> frozenset[JobId]:
    """The jobs and groups whose end or deletion is news to whoever waits for them."""
    return frozenset(filter(None, map(_announced, changes)))


def _announced(change: Change | Revision) -> JobId | None:
    if isinstance(change, Revision):
        ended = isinstance(change.after, Group) and change.after.status is not None
        return JobId(change.stream) if ended else None
    news = change.job is None or any(isinstance(one, Announce) for one in change.effects)
    return change.job_id if news else None
