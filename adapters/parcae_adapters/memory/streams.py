"""What else has a history, beside jobs, and when to look at each again. Not thread-safe."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from attrs import frozen

from parcae.change import Aggregate, Revision
from parcae.deliveries import Delivery
from parcae.groups import Group
from parcae.queues import Queue
from parcae.schedules import Schedule
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.values import GroupId, Instant, StreamId
from parcae_adapters.memory.outgoing import Outgoing
from parcae_adapters.memory.sorted import remove

A = TypeVar("A", Queue, Group, Schedule)
DELIVERY = "delivery/"


@frozen
class Row:
    """Anything of these, and when to look at it again."""

    aggregate: Aggregate
    remind: Instant | None


class Streams:
    """What else has a history, beside jobs."""

    def __init__(self) -> None:
        self.rows: dict[StreamId, Row] = {}
        self.queues: dict[str, Queue] = {}
        self.groups: dict[GroupId, Group] = {}
        self.schedules: dict[str, Schedule] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.seal = Seal()
        self.outgoing = Outgoing()
        self._reminders: list[tuple[Instant, StreamId]] = []

    def write(self, revision: Revision) -> None:
        """Put ``revision`` in place of what was there."""
        stream, after = revision.stream, revision.after
        if stream.startswith(DELIVERY):
            self.outgoing.write(revision)
            return
        before = self.rows.pop(stream, None)
        if before is not None and before.remind is not None:
            remove(self._reminders, (before.remind, stream))
        if after is None:
            return
        self.rows[stream] = Row(after, revision.remind)
        if revision.remind is not None:
            insort(self._reminders, (revision.remind, stream))
        self._name(after)

    def _name(self, after: Aggregate) -> None:
        match after:
            case Queue():
                self.queues[after.name] = after
            case Group():
                self.groups[after.id] = after
            case Schedule():
                self.schedules[after.name] = after
            case Subscription():
                # A view that was given away keeps the mapping it was given.
                self.subscriptions = {**self.subscriptions, after.name: after}
            case Seal():
                self.seal = after
            case Delivery():
                raise AssertionError("deliveries have rows of their own")

    def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One of them, deliveries included."""
        row = self.rows.get(stream)
        return self.outgoing.rows.get(stream) if row is None else row.aggregate

    def page(self, after: str, limit: int) -> tuple[Aggregate, ...]:
        """Those past ``after``, by the names of their streams."""
        names = sorted(name for name in (*self.rows, *self.outgoing.rows) if name > after)
        found = (self.aggregate(name) for name in islice(names, max(limit, 0)))
        return tuple(one for one in found if one is not None)

    def overdue(self, kind: type[A], now: Instant) -> Iterator[A]:
        """Those to be looked at again, the longest overdue first."""
        for at, stream in self._reminders:
            if at > now:
                return
            found = self.rows[stream].aggregate
            if isinstance(found, kind):
                yield found

    def instants(self) -> Iterator[Instant]:
        """When to look at them again."""
        return (at for at, _ in self._reminders)
