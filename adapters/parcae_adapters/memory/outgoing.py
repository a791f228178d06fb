"""Deliveries, by whatever anybody looks for. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

from parcae.change import Revision
from parcae.deliveries import Dead, Delivery, Done, Sending, Standing, Waiting
from parcae.ports import Deliverable, DeliveryPage, DeliveryQuery, Spent
from parcae.values import Instant, StreamId
from parcae_adapters.memory.sorted import remove

LAST = StreamId("\U0010ffff")
"""A name behind all others."""


class Outgoing:
    """What is owed to subscriptions, and what was."""

    def __init__(self) -> None:
        self.rows: dict[StreamId, Delivery] = {}
        self._reminds: dict[StreamId, Instant] = {}
        self._due: defaultdict[str, list[tuple[Instant, StreamId]]] = defaultdict(list)
        self._subjects: defaultdict[tuple[str, StreamId], list[tuple[int, StreamId]]] = defaultdict(
            list
        )
        self._ends: dict[type, list[tuple[Instant, StreamId]]] = {Done: [], Dead: []}
        self._held: defaultdict[tuple[str, str], set[StreamId]] = defaultdict(set)

    def write(self, revision: Revision) -> None:
        """Put ``revision`` in place of what was there."""
        before = self.rows.pop(revision.stream, None)
        if before is not None:
            self._unlink(before)
        after = revision.after
        if isinstance(after, Delivery):
            self._link(after, revision.remind)

    def found(self, wanted: Deliverable, lines: tuple[str, ...], now: Instant) -> list[Delivery]:
        """What this very request holds already; if that is nothing, what is due in ``lines``."""
        held = sorted(self._held.get((wanted.worker, wanted.request), ()))
        if held:
            return [self.rows[one] for one in held]
        due: list[tuple[Instant, StreamId]] = []
        for name in lines:
            line, room = self._due[name], wanted.room.get(name, wanted.each)
            due += islice(line, min(bisect_right(line, (now, LAST)), room))
        return [self.rows[one] for _, one in sorted(due)[: wanted.limit]]

    def head(self, one: Delivery) -> Delivery | None:
        """The first open one of the same subscription and subject."""
        line = self._subjects.get((one.subscription, one.subject))
        return self.rows[line[0][1]] if line else None

    def behind(self, one: Delivery) -> Delivery | None:
        """The first open one of the same subscription and subject but for itself."""
        line = self._subjects.get((one.subscription, one.subject), [])
        return next((self.rows[name] for _, name in line if name != one.id), None)

    def spent(self, wanted: Spent) -> list[Delivery]:
        """Those that ended before, the first to end first."""
        kinds = ((Done, wanted.delivered_before), (Dead, wanted.dead_before))
        ended = sorted(
            one
            for kind, before in kinds
            for one in islice(self._ends[kind], wanted.limit)
            if one[0] <= before
        )
        return [self.rows[name] for _, name in ended[: wanted.limit]]

    def page(self, query: DeliveryQuery) -> DeliveryPage:
        """Those that a query names, newest id first."""
        names = sorted(self.rows, reverse=True)
        beyond = (self.rows[one] for one in names if not query.cursor or one < query.cursor)
        matching = (one for one in beyond if _matches(query, one))
        found = tuple(islice(matching, query.limit))
        more = next(matching, None) is not None
        return DeliveryPage(deliveries=found, cursor=found[-1].id if more else "")

    def tally(self) -> Mapping[tuple[str, Standing], int]:
        """How many are in which state, by subscription."""
        return Counter((one.subscription, one.stage) for one in self.rows.values())

    def next(self, lines: tuple[str, ...], after: Instant | None) -> Instant | None:
        """When something in ``lines`` is due next, later than ``after``."""
        firsts = (self._first(self._due.get(name, ()), after) for name in lines)
        return min((at for at in firsts if at is not None), default=None)

    @staticmethod
    def _first(line: Sequence[tuple[Instant, StreamId]], after: Instant | None) -> Instant | None:
        index = 0 if after is None else bisect_right(line, (after, LAST))
        return line[index][0] if index < len(line) else None

    def _link(self, one: Delivery, remind: Instant | None) -> None:
        self.rows[one.id] = one
        if remind is not None:
            self._reminds[one.id] = remind
            insort(self._due[one.subscription], (remind, one.id))
        if one.open:
            insort(self._subjects[one.subscription, one.subject], (one.number, one.id))
        state = one.state
        if isinstance(state, Sending):
            self._held[state.worker, state.request].add(one.id)
        elif isinstance(state, Done | Dead):
            insort(self._ends[type(state)], (state.at, one.id))

    def _unlink(self, one: Delivery) -> None:
        remind = self._reminds.pop(one.id, None)
        if remind is not None:
            remove(self._due[one.subscription], (remind, one.id))
        if one.open:
            lane = (one.subscription, one.subject)
            remove(self._subjects[lane], (one.number, one.id))
            if not self._subjects[lane]:
                del self._subjects[lane]
        state = one.state
        if isinstance(state, Sending):
            holder = (state.worker, state.request)
            self._held[holder].discard(one.id)
            if not self._held[holder]:
                del self._held[holder]
        elif not isinstance(state, Waiting):
            remove(self._ends[type(state)], (state.at, one.id))


def _matches(query: DeliveryQuery, one: Delivery) -> bool:
    return (
        (not query.states or one.stage in query.states)
        and (not query.subscriptions or one.subscription in query.subscriptions)
        and (query.subject is None or one.subject == query.subject)
    )
