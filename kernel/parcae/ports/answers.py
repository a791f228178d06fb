"""What is asked of a store beside its transactions, and what it answers, as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import Factory, field, frozen

from parcae.change import Change, Revision
from parcae.deliveries import Delivery
from parcae.deliveries import Standing as Stage
from parcae.state import Stored
from parcae.values import GroupId, Position, Status, StreamId, Version, WorkerId, valid_number

E = TypeVar("E", covariant=True)


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
