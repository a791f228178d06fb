"""Who may be claimed now: a walk along the lines of waiting jobs, of which it reads only heads.

Nothing is decided here: it takes what :func:`parcae.admission.choose` would take of all that wait,
by the kernel's own order and its own count of the room that is left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from heapq import heapify, heappop, heapreplace
from typing import Any

from parcae.admission import Room, rate_keys
from parcae.change import Key
from parcae.ports import Claimable
from parcae.queues import Bounds, Queue
from parcae.timing import too_late
from parcae.values import Instant, JobId, Lane
from parcae_adapters.contract import turn
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.lines import Line, Source, served
from parcae_adapters.sqlite.rows import exact
from parcae_adapters.sqlite.tables import Tables


def claimable(tables: Tables, wanted: Claimable, now: Instant) -> dict[str, Any]:
    """What ``wanted`` names: the parts of a view."""
    found = tables.query(sql.HELD, (wanted.worker, wanted.request))
    tables.load(found)
    if len(found) > 1:
        found.sort(key=lambda one: turn(tables.known(one).job))
    tables.promote(now)
    queues = tables.queues()
    asked = (
        queues if wanted.queues is None else {n: queues[n] for n in wanted.queues & queues.keys()}
    )
    held = occupied(tables.connection, asked)
    walk = Walk(tables, wanted, now, held)
    found += walk.taken()
    tables.load(found)
    jobs = {one: tables.known(one) for one in found}
    if not queues:
        return {"jobs": jobs}
    lanes = {stored.job.spec.lane for stored in jobs.values()}
    theirs = {lane.queue for lane in lanes}
    return {
        "jobs": jobs,
        "queues": {name: queues[name] for name in theirs if name in queues},
        "held": {lane: count for lane, count in held.items() if lane.queue in theirs},
        "keys": tables.keys(dict.fromkeys(key for lane in lanes for key in rate_keys(lane))),
    }


def occupied(connection: sqlite3.Connection, queues: Mapping[str, Queue]) -> dict[Lane, int]:
    """How many jobs of each lane hold a slot, in those of the queues that have bounds."""
    bounded = [name for name, one in queues.items() if one.keyed or one.bounds != Bounds()]
    if not bounded:
        return {}
    statement = sql.counted(len(bounded))
    rows = connection.execute(statement, bounded).fetchall()
    return {Lane(queue=queue, key=key): count for queue, key, count in rows}


class Walk:
    """One claim's walk along the lines, each the line of one queue."""

    def __init__(
        self, tables: Tables, wanted: Claimable, now: Instant, held: Mapping[Lane, int]
    ) -> None:
        self._tables, self._wanted, self._now = tables, wanted, now
        self._queues = tables.queues()
        self._room = Room(now, self._queues, held, {})
        self._asked: set[Key] = set()

    def taken(self) -> list[JobId]:
        """The jobs that start, the first first."""
        lines = self._lines()
        plain = lines[0].ids(self._wanted.limit) if len(lines) == 1 else None
        return self._merged(lines) if plain is None else plain

    def _merged(self, lines: list[Line]) -> list[JobId]:
        found: list[JobId] = []
        for line in lines:
            line.open()
        lines = [line for line in lines if line.advance()]
        heads = [(*line.first, index) for index, line in enumerate(lines)]
        heapify(heads)
        while heads and len(found) < self._wanted.limit:
            line = lines[heads[0][-1]]
            offer = line.offer
            self._room.take(offer.lane, undo=offer.undo)
            found.append(heads[0][1])
            if len(found) < self._wanted.limit and line.advance():
                heapreplace(heads, (*line.first, heads[0][-1]))
            else:
                heappop(heads)
        for line in lines:
            line.close()
        return found

    def _lines(self) -> list[Line]:
        wanted, connection = self._wanted, self._tables.connection
        source = Source(
            connection=connection,
            now=exact(self._now),
            left=self.left,
            missed=self._missed,
            without=wanted.without,
        )
        ready = served(connection, wanted.queues, wanted.kinds)
        return [Line(source, name, kinds, self._queues.get(name)) for name, kinds in ready.items()]

    def left(self, lane: Lane, undo: bool) -> int:
        """How many of ``lane`` may start; the rows of its rates are read when first asked for."""
        queue = self._queues.get(lane.queue)
        if queue is None:
            return self._room.left(lane, undo=undo)
        if queue.bounds.rate is not None or queue.of(lane.key).rate is not None:
            unknown = [key for key in rate_keys(lane) if key not in self._asked]
            if unknown:
                # Once only: from then on the room itself counts what starts.
                self._asked.update(unknown)
                self._room.learn(self._tables.keys(unknown))
        return self._room.left(lane, undo=undo)

    def _missed(self, job_id: JobId, queue: Queue) -> bool:
        """Whether it is too late for it, by what is set for its queue now."""
        self._tables.load((job_id,))
        return too_late(self._tables.known(job_id).job, self._now, queue)
