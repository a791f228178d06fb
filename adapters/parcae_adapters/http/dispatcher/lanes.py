"""What is under way to each subscription, and how much more may be: one book for all limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from attrs import Factory, define, frozen

from parcae.circuit import Circuit, failed, room, succeeded
from parcae.deliveries import Attempt, is_gone, is_success
from parcae.outbox import Dispatch
from parcae.subscriptions import Subscription
from parcae.values import Instant, Version

QUICK = timedelta(milliseconds=250)
"""Whoever answers in less is taken for ahead: its next ones lie ready when a place is free."""

AHEAD = 3
"""Times as many as can be sent at once lie ready: each commit, which takes as long as dozens of
quick answers, is to bring as many as that."""


@frozen(kw_only=True)
class Taken:
    """A delivery that was taken.

    Attributes:
        dispatch: what it is.
        begin: it has to begin before, by a clock that nobody sets: a later try could outlive the
            lease.
        until: the end of its lease, by the same clock.
    """

    dispatch: Dispatch
    begin: Instant
    until: Instant

    @property
    def version(self) -> Version:
        """Of the subscription, as it was when this was taken."""
        return self.dispatch.subscription.version


@define
class Lane:
    """One subscription: what waits for a place, what is being sent, and how it has been doing."""

    waiting: deque[Taken] = Factory(deque)
    busy: int = 0
    circuit: Circuit = Factory(Circuit)
    quick: bool = False
    listed: bool = False

    @property
    def pristine(self) -> bool:
        """Whether nothing is known of it that a new one would not have."""
        return not self.busy and not self.waiting and not self.circuit.failures


class Lanes:
    """The lanes, and how much all of them have together.

    Args:
        concurrency: so many are sent at once.
        per_endpoint: so many to one subscription.
    """

    def __init__(self, concurrency: int, per_endpoint: int) -> None:
        self._concurrency = concurrency
        self._per_endpoint = min(per_endpoint, concurrency)
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[str] = deque()
        self._quick = 0
        self.busy = 0
        self.waiting = 0

    @property
    def free(self) -> int:
        """How many more may be taken: as many as can begin at once, and a few to lie ready."""
        ahead = AHEAD * self._concurrency if self._quick else 0
        return max(0, self._concurrency + ahead - self.busy - self.waiting)

    @property
    def each(self) -> int:
        """How many may be taken of one that nothing is known of."""
        return self._per_endpoint

    def rooms(self, now: Instant) -> Mapping[str, int]:
        """How many more may be taken of each one that something is known of."""
        return {name: self._room(lane, now) for name, lane in self._lanes.items()}

    def _room(self, lane: Lane, now: Instant) -> int:
        most, held = self._per_endpoint, lane.busy + len(lane.waiting)
        if lane.quick and lane.circuit.closed and not lane.circuit.failures:
            most *= 1 + AHEAD
        return room(lane.circuit, now, most=most, busy=held)

    def next_probe(self, now: Instant) -> Instant | None:
        """When the first of those that are left alone may be probed; ``None``: none is."""
        untils = (one.circuit.until for one in self._lanes.values())
        return min((at for at in untils if at is not None and now < at), default=None)

    def add(self, one: Taken) -> None:
        """It was taken, and waits for a place."""
        name = one.dispatch.subscription.name
        lane = self._lanes.setdefault(name, Lane())
        lane.waiting.append(one)
        self.waiting += 1
        self._list(name, lane)

    def _list(self, name: str, lane: Lane) -> None:
        """Have it take part in the round of those that have something to begin, and a place."""
        if lane.waiting and lane.busy < self._per_endpoint and not lane.listed:
            lane.listed = True
            self._ready.append(name)

    def begin(self) -> Taken | None:
        """The next that has a place, which it takes, one lane after the other; ``None``: none."""
        if self.busy >= self._concurrency:
            return None
        while self._ready:
            name = self._ready.popleft()
            lane = self._lanes.get(name)
            if lane is None:
                continue
            lane.listed = False
            if not lane.waiting or lane.busy >= self._per_endpoint:
                continue
            one = lane.waiting.popleft()
            lane.busy += 1
            self.waiting -= 1
            self.busy += 1
            self._list(name, lane)
            return one
        return None

    def end(self, name: str, attempt: Attempt | None, now: Instant) -> bool:
        """One is over; with what came of it, unless it was not sent.

        Returns:
            Whether the others that wait for this lane are to be given back: it does not answer,
            or is gone.
        """
        lane = self._lanes[name]
        lane.busy -= 1
        self.busy -= 1
        if attempt is not None:
            self._learn(lane, attempt, now)
        self._list(name, lane)
        if lane.pristine and not lane.quick:
            del self._lanes[name]
        gone = attempt is not None and is_gone(attempt)
        return gone or not lane.circuit.closed

    def _learn(self, lane: Lane, attempt: Attempt, now: Instant) -> None:
        good = is_success(attempt)
        lane.circuit = succeeded() if good else failed(lane.circuit, now, attempt.retry_after)
        quick = good and attempt.latency <= QUICK
        self._quick += quick - lane.quick
        lane.quick = quick

    @property
    def ready(self) -> Iterator[Taken]:
        """All that wait for a place."""
        for lane in self._lanes.values():
            yield from lane.waiting

    def outdated(self, present: Mapping[str, Subscription]) -> Sequence[Taken]:
        """All that wait for a subscription which has changed since: they wait no longer.

        Args:
            present: the subscriptions as they are known to be, those removed too.
        """
        found: list[Taken] = []
        for name, lane in self._lanes.items():
            now = present.get(name)
            if now is not None:
                # What was taken of a later one than is known is not outdated, but news.
                old = [one for one in lane.waiting if one.version < now.version]
                lane.waiting = deque(one for one in lane.waiting if one.version >= now.version)
                self.waiting -= len(old)
                found += old
        return found

    def drop(self, name: str | None = None) -> Iterator[Taken]:
        """All that wait, of one lane or of all: they wait no longer."""
        for key in [name] if name is not None else list(self._lanes):
            lane = self._lanes.get(key)
            while lane is not None and lane.waiting:
                self.waiting -= 1
                yield lane.waiting.popleft()
