"""What is in the queues of a memory store, and where a job stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest

from parcae.admission import rate_keys
from parcae.queues import Queue
from parcae.state import Ended, Stored
from parcae.survey import (
    MAX_HOLDERS,
    TIMED,
    Sample,
    Scope,
    Standing,
    Survey,
    Tally,
    before,
    surveyed,
    tallied,
)
from parcae.values import Instant, JobId, Lane
from parcae_adapters.memory.shelves import Row, Shelves


def survey(shelves: Shelves, scope: Scope, now: Instant) -> Survey:
    """Everything counted, job by job."""
    rows = [row for row in shelves.rows.values() if _wanted(scope, row.stored)]
    lanes: dict[Lane, Tally] = {}
    for row in rows:
        lane, one = row.stored.job.spec.lane, tallied(now, scope, row.stored, row.offer)
        if one.alive or one.ended:
            lanes[lane] = lanes.get(lane, Tally()) + one
    queues = shelves.streams.queues
    settings = {
        name: queues[name]
        for name in sorted(queues)
        if scope.queues is None or name in scope.queues
    }
    return surveyed(now, scope, lanes.items(), settings, _samples(shelves, scope, rows))


def _wanted(scope: Scope, stored: Stored) -> bool:
    return scope.queues is None or stored.job.spec.lane.queue in scope.queues


def _samples(shelves: Shelves, scope: Scope, rows: list[Row]) -> Iterator[Sample]:
    ended = (
        (state.at, job.id, job.spec.lane)
        for job in (row.stored.job for row in rows)
        if isinstance(state := job.state, Ended)
    )
    for _, job_id, lane in nlargest(scope.sample, ended, key=lambda one: one[:2]):
        events = (one.event for one in shelves.history(job_id))
        yield Sample(lane=lane, events=tuple(one for one in events if isinstance(one, TIMED)))


def standing(shelves: Shelves, job_id: JobId, now: Instant) -> Standing | None:
    """Where a job stands; ``None``: there is none."""
    row = shelves.rows.get(job_id)
    if row is None:
        return None
    lane = row.stored.job.spec.lane
    queue = shelves.streams.queues.get(lane.queue) or Queue(name=lane.queue)
    others = [one for one in shelves.rows.values() if _same(one, row)]
    ahead = [one for one in others if _before(now, row, one, queue)]
    held = [one.stored for one in others if one.stored.job.lease is not None]
    mine = [one for one in held if one.job.spec.lane == lane]
    mine.sort(key=_since)
    return Standing(
        now=now,
        stored=row.stored,
        offer=row.offer,
        queue=queue,
        ahead=sum(one.stored.job.spec.lane == lane for one in ahead),
        ahead_in_queue=len(ahead),
        held=len(mine),
        held_in_queue=len(held),
        holders=tuple(mine[:MAX_HOLDERS]),
        free={key: shelves.keys[key] for key in rate_keys(lane) if key in shelves.keys},
    )


def _same(one: Row, other: Row) -> bool:
    return one.stored.job.spec.lane.queue == other.stored.job.spec.lane.queue


def _before(now: Instant, row: Row, other: Row, queue: Queue) -> bool:
    if row.offer is None or other.offer is None:
        return False
    mine, theirs = (row.offer, row.stored.job.id), (other.offer, other.stored.job.id)
    return before(now, mine, theirs, queue)


def _since(stored: Stored) -> tuple[Instant, JobId]:
    lease = stored.job.lease
    assert lease is not None
    return lease.since, stored.job.id
