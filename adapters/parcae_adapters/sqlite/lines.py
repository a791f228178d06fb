"""The line of one queue, read job by job, and only as far as somebody asks.

A line is made of streams: stretches of an index whose rows stand in the order in which they are
claimed. They are merged by the kernel's order. Where keys have bounds of their own and some that
have no room stand in the way, each key becomes a stream, and theirs are not read at all.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from heapq import heapify, heappop, heapreplace
from itertools import islice
from typing import Any

from attrs import frozen

from parcae.admission import order
from parcae.effects import Offer
from parcae.queues import Queue
from parcae.values import JobId, Lane, Place
from parcae_adapters.sqlite import walks
from parcae_adapters.sqlite.rows import instant

PATIENCE = 32
"""So many jobs are passed over, for their keys have no room, before their keys are left out."""

Left = Callable[[Lane, bool], int]
"""How many of a lane may start; with a flag: to be undone."""
Missed = Callable[[JobId, Queue], bool]
"""Whether it is too late for a job, by what is set for its queue."""
Kinds = tuple[list[str], list[str]]
"""Of the ready jobs of a queue: those without a key, and those with one."""
Head = tuple[tuple[bool, int, int], JobId]
Entry = tuple[tuple[bool, int, int], JobId, int, Offer]


def served(
    connection: sqlite3.Connection, queues: frozenset[str] | None, kinds: frozenset[str]
) -> dict[str, Kinds]:
    """The kinds that are ready and served, by queue."""
    found: defaultdict[str, Kinds] = defaultdict(lambda: ([], []))
    for at, index in enumerate((walks.BARE, walks.NAMED)):
        for queue, kind in _pairs(connection, index, queues):
            if kind in kinds:
                found[queue][at].append(kind)
    return found


def _pairs(
    connection: sqlite3.Connection, index: walks.Index, queues: frozenset[str] | None
) -> Iterable[tuple[str, str]]:
    if queues is None:
        yield from connection.execute(walks.pairs(index)).fetchall()
        return
    for queue in sorted(queues):
        statement = walks.within(index, "kind")
        for (kind,) in connection.execute(statement, (queue, queue)).fetchall():
            yield queue, kind


@frozen(kw_only=True)
class Source:
    """Where a line is read from.

    Attributes:
        connection: to the tables.
        now: microseconds since 1970.
        left: how many of a lane may start.
        missed: whether it is too late for a job.
        without: jobs that are not served.
    """

    connection: sqlite3.Connection
    now: int
    left: Left
    missed: Missed
    without: frozenset[JobId] = frozenset()


class Line:
    """The jobs of one queue that may start, in order.

    Attributes:
        first: what the next one is compared by with those of other queues.
        offer: its offer.
    """

    first: Head
    offer: Offer

    def __init__(self, source: Source, name: str, kinds: Kinds, queue: Queue | None) -> None:
        self._source, self._name, self._kinds, self._queue = source, name, kinds, queue
        self._keyed = queue is not None and queue.keyed
        self._streams: list[Iterator[Any]] = []
        self._heap: list[Entry] = []
        self._met: set[JobId] = set()
        self._blocked = 0
        self._stale = False
        bare, named = kinds
        self._prefixes: list[tuple[walks.Index, tuple[str, ...]]]
        self._prefixes = [(walks.BARE, (name, kind)) for kind in bare]
        self._prefixes += [(walks.NAMED, (name, kind)) for kind in named]

    def advance(self) -> bool:
        """Go on to the next job that may start now; ``False``: there is none."""
        left, queue = self._source.left, self._queue
        if self._stale:
            self._pop()
        while self._heap:
            _, job_id, _, offer = self._heap[0]
            if queue is None:
                return self._stop_at(job_id, offer)
            if job_id in self._met:
                self._pop()
                continue
            if not left(offer.lane, offer.undo):
                if not self._keyed:
                    # Whatever stands behind it has no more room than it.
                    self.close()
                    return False
                self._pop()
                self._pass_over()
            elif self._source.missed(job_id, queue):
                self._pop()
            else:
                return self._stop_at(job_id, offer)
        return False

    def ids(self, limit: int) -> list[JobId] | None:
        """The next jobs, if nothing is set for the queue and they are read from one stream."""
        if self._queue is not None or len(self._prefixes) != 1:
            return None
        ((index, prefix),) = self._prefixes
        rows = self._source.connection.execute(
            walks.stream(index, 0), (*prefix, self._source.now, self._source.now)
        )
        without = self._source.without
        if not without:
            return [row[0] for row in rows.fetchmany(limit)]
        return list(islice((row[0] for row in rows if row[0] not in without), limit))

    def close(self) -> None:
        """Read no further."""
        self._heap = []
        self._streams = []

    def _stop_at(self, job_id: JobId, offer: Offer) -> bool:
        self.first, self.offer, self._stale = (order(offer), job_id), offer, True
        if self._keyed:
            self._met.add(job_id)
        return True

    def _pass_over(self) -> None:
        self._blocked += 1
        if self._blocked == PATIENCE:
            self._open_lanes()

    def open(self) -> None:
        """Begin to read, by kinds: of each those without a key, and those with one."""
        forward = 1
        if self._queue is not None and not self._keyed:
            lane, left = Lane(queue=self._name), self._source.left
            if not left(lane, True):
                return
            forward = left(lane, False)
        self._open(self._prefixes, undos_only=not forward)

    def _open_lanes(self) -> None:
        """By keys and kinds: of keys without room, nothing."""
        name, (bare, named), source = self._name, self._kinds, self._source
        self.close()
        found: list[tuple[str, str]] = [("", kind) for kind in bare]
        if named:
            statement = walks.within(walks.LANES, "lane", "kind")
            rows = source.connection.execute(statement, (name,) * 3).fetchall()
            found += [(key, kind) for key, kind in rows if kind in named]
        for undos_only in (False, True):
            prefixes: list[tuple[walks.Index, tuple[str, ...]]] = []
            for key, kind in found:
                lane = Lane(queue=name, key=key)
                forward = source.left(lane, False)
                if (not forward and source.left(lane, True)) if undos_only else forward:
                    index = walks.LANES if key else walks.BARE
                    prefix = (name, key, kind) if key else (name, kind)
                    prefixes.append((index, prefix))
            self._open(prefixes, undos_only=undos_only)

    def _open(
        self, prefixes: Iterable[tuple[walks.Index, tuple[str, ...]]], *, undos_only: bool
    ) -> None:
        connection, now = self._source.connection, self._source.now
        aging = self._queue is not None and self._queue.aging is not None
        for index, prefix in prefixes:
            classes: Iterable[tuple[int, ...]] = [(1,)] if undos_only else [()]
            if aging:
                # Within a class the order is that of places, whatever a level is worth.
                rows = connection.execute(walks.classes(index), prefix * 3).fetchall()
                classes = [one for one in rows if one[0] or not undos_only]
            for one in classes:
                statement = walks.stream(index, len(one))
                stream = connection.execute(statement, (*prefix, *one, now, now))
                self._streams.append(stream)
                entry = self._read(len(self._streams) - 1)
                if entry is not None:
                    self._heap.append(entry)
        heapify(self._heap)

    def _pop(self) -> None:
        self._stale = False
        entry = self._read(self._heap[0][2])
        if entry is None:
            heappop(self._heap)
        else:
            heapreplace(self._heap, entry)

    def _read(self, at: int) -> Entry | None:
        with suppress(StopIteration):
            row = next(self._streams[at])
            while row[0] in self._source.without:
                row = next(self._streams[at])
            job_id, kind, lane, since, until, undo, priority, place = row
            offer = Offer(
                at=instant(since),
                until=None if until is None else instant(until),
                kind=kind,
                lane=Lane(queue=self._name, key=lane),
                undo=bool(undo),
                priority=priority,
                place=Place(place),
            )
            return order(offer, self._queue), job_id, at, offer
        return None
