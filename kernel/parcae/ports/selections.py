"""What a rule may be shown, as values: each adapter answers each with an indexed query."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, field, frozen

from parcae.change import Key
from parcae.values import GroupId, Instant, JobId, StreamId, WorkerId, valid_number

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
