"""What a store counts of its queues, all of one instant; what it means is in ``measures``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from heapq import nsmallest

from attrs import Factory, field, frozen

from parcae.admission import order
from parcae.change import Key, KeyRow
from parcae.effects import Offer
from parcae.events import (
    Cancelled,
    CompensationBegan,
    Completed,
    Event,
    Failed,
    Quarantined,
    Released,
    RetryScheduled,
    Scheduled,
    Started,
)
from parcae.queues import Queue
from parcae.spec import MOMENT
from parcae.state import Ended, Stored
from parcae.values import Instant, JobId, Lane, Status, minutes, valid_duration, valid_number

MAX_LINES = 1_000
MAX_SAMPLE = 10_000
MAX_HOLDERS = 100
"""Of the jobs that hold a slot of a lane, so many are named."""

TIMED: tuple[type[Event], ...] = (
    Scheduled,
    Started,
    RetryScheduled,
    Released,
    Completed,
    Failed,
    Cancelled,
    CompensationBegan,
    Quarantined,
)
"""The events that tell how long a job waited, and how long its handlers ran."""


@frozen(kw_only=True)
class Scope:
    """What to count.

    Attributes:
        queues: these; ``None``: all.
        window: which ends to count: those since so long ago.
        sample: of how many jobs, those that ended last, the times are wanted.
        lines: how many queues, and how many lanes, to list: those with the most jobs first.
    """

    queues: frozenset[str] | None = None
    window: timedelta = field(default=minutes(15), validator=valid_duration(MOMENT))
    sample: int = field(default=1_000, validator=valid_number(0, MAX_SAMPLE))
    lines: int = field(default=MAX_LINES, validator=valid_number(1, MAX_LINES))


@frozen(kw_only=True)
class Tally:
    """How many jobs of a lane, or of a queue, are where; of those alive each counts once.

    Attributes:
        waiting: may start now, or be undone, as far as they are concerned.
        later: wait for their time.
        late: wait to start, but were to start earlier: the reconciler looks at them next.
        pending: wait for others to end.
        running: hold a slot.
        undos: how many of the waiting and the later ones are to be undone.
        oldest: since when the one may start that may for the longest time.
        ended: those that ended within the window, by how they did.
    """

    waiting: int = 0
    later: int = 0
    late: int = 0
    pending: int = 0
    running: int = 0
    undos: int = 0
    oldest: Instant | None = None
    ended: Mapping[Status, int] = Factory(dict)

    @property
    def alive(self) -> int:
        """How many have not ended."""
        return self.waiting + self.later + self.late + self.pending + self.running

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        since = (one for one in (self.oldest, other.oldest) if one is not None)
        ended = {
            status: self.ended.get(status, 0) + other.ended.get(status, 0)
            for status in Status
            if status in self.ended or status in other.ended
        }
        return Tally(
            waiting=self.waiting + other.waiting,
            later=self.later + other.later,
            late=self.late + other.late,
            pending=self.pending + other.pending,
            running=self.running + other.running,
            undos=self.undos + other.undos,
            oldest=min(since, default=None),
            ended=ended,
        )


@frozen(kw_only=True)
class Sample:
    """A job that has ended, and its ``TIMED`` events, in order."""

    lane: Lane
    events: tuple[Event, ...]


@frozen(kw_only=True)
class Survey:
    """What is in the queues.

    Attributes:
        now: when all this was so.
        scope: what was asked for.
        queues: the queues with jobs, or for which something is set.
        lanes: their lanes with jobs.
        settings: what is set for them, where anything is.
        samples: the jobs of the scope that ended last, the last first.
        more_queues: how many more queues there are.
        more_lanes: how many more lanes.
    """

    now: Instant
    scope: Scope
    queues: Mapping[str, Tally] = Factory(dict)
    lanes: Mapping[Lane, Tally] = Factory(dict)
    settings: Mapping[str, Queue] = Factory(dict)
    samples: tuple[Sample, ...] = ()
    more_queues: int = 0
    more_lanes: int = 0


@frozen(kw_only=True)
class Standing:
    """Where a job stands in line, and who stands in its way.

    Attributes:
        now: when all this was so.
        stored: the job.
        offer: what is offered to workers; ``None``: it does not stand in line.
        queue: what is set for its queue.
        ahead: how many of its lane go before it, of those that may start as soon as it may.
        ahead_in_queue: the same, of all lanes of its queue.
        held: how many slots of its lane are held.
        held_in_queue: how many of its queue.
        holders: who holds those of its lane, the longest first: ``MAX_HOLDERS`` of them.
        free: of the rates that bind it, when they let the next job start.
    """

    now: Instant
    stored: Stored
    offer: Offer | None
    queue: Queue
    ahead: int = 0
    ahead_in_queue: int = 0
    held: int = 0
    held_in_queue: int = 0
    holders: tuple[Stored, ...] = ()
    free: Mapping[Key, KeyRow] = Factory(dict)


def surveyed(
    now: Instant,
    scope: Scope,
    lanes: Iterable[tuple[Lane, Tally]],
    settings: Mapping[str, Queue],
    samples: Iterable[Sample],
) -> Survey:
    """A survey of these lanes, each of which comes once, cut to what was asked for."""
    queues = dict.fromkeys(settings, Tally())
    count = 0

    def counted() -> Iterable[tuple[Lane, Tally]]:
        nonlocal count
        for lane, tally in lanes:
            count += 1
            queues[lane.queue] = queues.get(lane.queue, Tally()) + tally
            yield lane, tally

    # Nobody keeps a million lanes: they pass by, and the busiest stay.
    busiest = nsmallest(scope.lines, counted(), key=_busiest_first)
    listed = nsmallest(scope.lines, queues.items(), key=lambda one: (-one[1].alive, one[0]))
    return Survey(
        now=now,
        scope=scope,
        queues=dict(listed),
        lanes=dict(busiest),
        settings={name: settings[name] for name, _ in listed if name in settings},
        samples=tuple(samples),
        more_queues=len(queues) - len(listed),
        more_lanes=count - len(busiest),
    )


def _busiest_first(one: tuple[Lane, Tally]) -> tuple[int, str, str]:
    lane, tally = one
    return -tally.alive, lane.queue, lane.key


def tallied(now: Instant, scope: Scope, stored: Stored, offer: Offer | None) -> Tally:
    """One job, counted."""
    job, state = stored.job, stored.job.state
    if isinstance(state, Ended):
        return Tally(ended={state.status: 1} if state.at > now - scope.window else {})
    if job.lease is not None:
        return Tally(running=1)
    if offer is None:
        return Tally(pending=1)
    undos = int(offer.undo)
    if offer.at > now:
        return Tally(later=1, undos=undos)
    if offer.until is not None and offer.until <= now:
        return Tally(late=1)
    return Tally(waiting=1, undos=undos, oldest=offer.at)


def before(
    now: Instant, one: tuple[Offer, JobId], other: tuple[Offer, JobId], queue: Queue | None
) -> bool:
    """Whether ``other`` goes before ``one`` of the same queue, once ``one`` may start."""
    when = max(now, one[0].at)
    may = other[0].at <= when and (other[0].until is None or other[0].until > when)
    return may and (order(other[0], queue), other[1]) < (order(one[0], queue), one[1])
