"""Queues, groups and schedules, and when to look at each again. Not thread-safe."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from attrs import frozen

from parcae.change import Aggregate, Revision
from parcae.groups import Group
from parcae.queues import Queue
from parcae.schedules import Schedule
from parcae.values import GroupId, Instant, StreamId
from parcae_adapters.memory.sorted import remove

A = TypeVar("A", Queue, Group, Schedule)


@frozen
class Row:
    """A queue, a group or a schedule, and when to look at it again."""

    aggregate: Aggregate
    remind: Instant | None


class Streams:
    """What else has a history, beside jobs."""

    def __init__(self) -> None:
        self.rows: dict[StreamId, Row] = {}
        self.queues: dict[str, Queue] = {}
        self.groups: dict[GroupId, Group] = {}
        self.schedules: dict[str, Schedule] = {}
        self._reminders: list[tuple[Instant, StreamId]] = []

    def write(self, revision: Revision) -> None:
        """Put ``revision`` in place of what was there."""
        stream, after = revision.stream, revision.after
        before = self.rows.pop(stream, None)
        if before is not None and before.remind is not None:
            remove(self._reminders, (before.remind, stream))
        if after is None:
            self._forget(before)
            return
        self.rows[stream] = Row(after, revision.remind)
        if revision.remind is not None:
            insort(self._reminders, (revision.remind, stream))
        if isinstance(after, Queue):
            self.queues[after.name] = after
        elif isinstance(after, Group):
            self.groups[after.id] = after
        else:
            self.schedules[after.name] = after

    def _forget(self, before: Row | None) -> None:
        if before is not None and isinstance(before.aggregate, Schedule):
            del self.schedules[before.aggregate.name]

    def page(self, after: str, limit: int) -> tuple[Aggregate, ...]:
        """Those past ``after``, by the names of their streams."""
        names = sorted(name for name in self.rows if name > after)
        return tuple(self.rows[name].aggregate for name in islice(names, max(limit, 0)))

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
