"""Who may start, and who goes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from parcae.change import Key, KeyRow
from parcae.effects import Offer
from parcae.queues import Queue
from parcae.queues.rate import Rate, spend, starts_left
from parcae.spec import MOMENT
from parcae.state import Compensating, Job, Scheduled
from parcae.timing import closes_at, too_late
from parcae.values import Instant, JobId, Lane

UNBOUNDED = 1_000_000_000
"""More than can ever be asked for at once."""

Offered = tuple[JobId, Offer]


def offer(job: Job, queue: Queue | None = None) -> Offer | None:
    """From when to when, and where, ``job`` waits for a worker; ``None``: it does not."""
    state = job.state
    if isinstance(state, Scheduled):
        undo, until = False, closes_at(job, queue)
    elif isinstance(state, Compensating) and state.lease is None:
        undo, until = True, None
    else:
        return None
    return Offer(
        at=state.ready_at,
        until=until,
        kind=job.spec.kind,
        lane=job.spec.lane,
        undo=undo,
        priority=job.spec.priority,
        place=job.place,
    )


def due(job: Job, now: Instant, queue: Queue | None = None) -> bool:
    """Whether ``job`` may be claimed at ``now``: its time has come, and is not over."""
    waiting = offer(job, queue)
    return waiting is not None and waiting.at <= now and not too_late(job, now, queue)


def order(offer: Offer, queue: Queue | None = None) -> tuple[bool, int, int]:
    """What claimers are served by: undos first, then priority, then place in line.

    With aging a level of priority is worth so many places: whoever has waited while more than
    that many came goes before them, whatever their priority.
    """
    aging = None if queue is None else queue.aging
    if aging is None:
        return (not offer.undo, -offer.priority, offer.place)
    return (not offer.undo, offer.place - offer.priority * aging, offer.place)


def rate_keys(lane: Lane) -> tuple[Key, Key]:
    """The keys under which it is kept when a queue, and a key in it, may start the next job.

    Such a row expires when the next job may start. Its fingerprint is the interval, in
    microseconds, of the rate that wrote it: a rate that is changed counts from the last start.
    """
    # A line break stands in no name, so no two lanes have the same key.
    whole = Key(scope="rate", key=lane.queue)
    return whole, Key(scope="rate by key", key=f"{lane.queue}\n{lane.key}")


class Room:
    """How many more jobs may start, lane by lane; it counts those that do.

    Args:
        now: the present instant.
        queues: what is set for queues.
        held: how many jobs of each lane hold a slot.
        keys: the rows of :func:`rate_keys` that exist.
    """

    def __init__(
        self,
        now: Instant,
        queues: Mapping[str, Queue],
        held: Mapping[Lane, int],
        keys: Mapping[Key, KeyRow],
    ) -> None:
        self._now = now
        self._queues = queues
        self._held = dict(held)
        self._totals: dict[str, int] = {}
        for lane, count in held.items():
            self._totals[lane.queue] = self._totals.get(lane.queue, 0) + count
        self._rows = dict(keys)
        self._free: dict[Key, Instant] = {}

    def learn(self, keys: Mapping[Key, KeyRow]) -> None:
        """Take in more rows of :func:`rate_keys`, before anything starts that they count."""
        self._rows.update(keys)

    def left(self, lane: Lane, *, undo: bool) -> int:
        """How many of ``lane`` may start now. A pause and rates bind forward work only."""
        queue = self._queues.get(lane.queue)
        if queue is None:
            return UNBOUNDED
        if queue.paused and not undo:
            return 0
        left = UNBOUNDED
        each = queue.of(lane.key)
        if queue.bounds.limit is not None:
            left = min(left, queue.bounds.limit - self._totals.get(lane.queue, 0))
        if each.limit is not None:
            left = min(left, each.limit - self._held.get(lane, 0))
        if not undo:
            for key, rate in self._rates(lane):
                left = min(left, starts_left(rate, self._free_at(key, rate), self._now))
        return max(left, 0)

    def take(self, lane: Lane, *, undo: bool) -> None:
        """One of ``lane`` starts."""
        self._held[lane] = self._held.get(lane, 0) + 1
        self._totals[lane.queue] = self._totals.get(lane.queue, 0) + 1
        if not undo:
            for key, rate in self._rates(lane):
                self._free[key] = spend(rate, self._free_at(key, rate), self._now)

    def spent(self, lane: Lane, job_id: JobId) -> tuple[KeyRow, ...]:
        """The rows to keep once ``job_id`` has started in ``lane``."""
        return tuple(
            KeyRow(
                key=key,
                fingerprint=f"{rate.interval // MOMENT}",
                job_id=job_id,
                expires_at=self._free_at(key, rate),
            )
            for key, rate in self._rates(lane)
        )

    def _free_at(self, key: Key, rate: Rate) -> Instant | None:
        """When the next one may start; what another rate has left behind counts by this one."""
        row = self._rows.get(key)
        if key in self._free or row is None or row.expires_at is None:
            return self._free.get(key)
        return row.expires_at - int(row.fingerprint) * MOMENT + rate.interval

    def _rates(self, lane: Lane) -> Iterator[tuple[Key, Rate]]:
        queue = self._queues.get(lane.queue)
        if queue is None:
            return
        bounds = (queue.bounds, queue.of(lane.key))
        for key, bound in zip(rate_keys(lane), bounds, strict=True):
            if bound.rate is not None:
                yield key, bound.rate


def choose(
    offered: Iterable[Offered], room: Room, queues: Mapping[str, Queue], limit: int
) -> Sequence[Offered]:
    """Those of ``offered`` that start now, the first first; ``room`` has counted them.

    Each queue is served in its :func:`order`, leaving out the lanes that are full; of several
    queues, the one whose next to start would go first by priority and place.
    """
    lines: dict[str, list[Offered]] = {}
    for one in offered:
        lines.setdefault(one[1].lane.queue, []).append(one)
    for name, line in lines.items():
        queue = queues.get(name)
        line.sort(key=lambda one: (order(one[1], queue), one[0]), reverse=True)
    heads = [head for line in lines.values() for head in _head(line, room)]
    heapify(heads)
    taken: list[Offered] = []
    while heads and len(taken) < limit:
        line = lines[heappop(heads)[2]]
        job_id, found = line.pop()
        room.take(found.lane, undo=found.undo)
        taken.append((job_id, found))
        for head in _head(line, room):
            heappush(heads, head)
    return taken


def _head(line: list[Offered], room: Room) -> Iterator[tuple[tuple[bool, int, int], JobId, str]]:
    """Who of a queue's line is next to start, if anybody; those before it cannot, and go."""
    # What starts in one queue takes room in that queue only: a head stays one until it starts.
    while line and not room.left(line[-1][1].lane, undo=line[-1][1].undo):
        line.pop()
    if line:
        job_id, found = line[-1]
        yield order(found), job_id, found.lane.queue
