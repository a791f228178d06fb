"""What is in the queues of a file, and where a job stands in them: each in one read transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from parcae.admission import order, rate_keys
from parcae.change import Key, KeyRow
from parcae.codec import TAGS, decode_aggregate, decode_event
from parcae.effects import Offer
from parcae.ports import Clock
from parcae.queues import Queue, queue_stream
from parcae.state import Stored
from parcae.survey import (
    MAX_HOLDERS,
    TIMED,
    Sample,
    Scope,
    Standing,
    Survey,
    Tally,
    surveyed,
)
from parcae.values import TERMINAL, Instant, JobId, Lane, Status, StreamId
from parcae_adapters.sqlite.queries import Queries
from parcae_adapters.sqlite.rows import FOUND, instant, key_row, micros, stored
from parcae_adapters.sqlite.statements import KEY

ENDS = tuple(status for status in Status if status in TERMINAL)
_TIMED = tuple(sorted(tag for tag, kind in TAGS.items() if kind in TIMED))

_ALIVE = """
    SELECT queue, lane, status = 'pending' AS pending, worker IS NOT NULL AS running,
        offer_at > :now AS later, offer_until <= :now AS late, offer_undo AS undo, offer_at AS at,
        NULL AS ended
    FROM parcae_jobs WHERE ended_at IS NULL"""
_ENDED = """
    SELECT queue, lane, 0, 0, NULL, NULL, NULL, NULL, status
    FROM parcae_jobs WHERE ended_at > :since"""

_DUE = "at IS NOT NULL AND NOT later AND late IS NOT 1"
_COUNTED = f"""
    SELECT queue, lane, min(at) FILTER (WHERE {_DUE}), count(*) FILTER (WHERE {_DUE}),
        count(*) FILTER (WHERE later), count(*) FILTER (WHERE late AND NOT later),
        sum(pending), sum(running), count(*) FILTER (WHERE undo AND (later OR {_DUE})),
        {", ".join(f"count(*) FILTER (WHERE ended = '{status}')" for status in ENDS)}"""

QUEUES = """
    SELECT stream, state FROM parcae_aggregates
    WHERE stream >= 'queue/' AND stream < 'queue0' AND state IS NOT NULL ORDER BY stream"""


@contextmanager
def _instant(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of one instant, whoever commits meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def survey(queries: Queries, clock: Clock, scope: Scope) -> Survey:
    """Everything counted, in the database; the lanes pass by one at a time."""
    connection = queries.connection
    with _instant(connection):
        settings = _settings(connection, scope)
        # The snapshot was taken by the read before: nothing in it is later than this.
        now = clock.now()
        samples = list(_samples(connection, scope))
        return surveyed(now, scope, _lanes(connection, scope, now), settings, samples)


def _settings(connection: sqlite3.Connection, scope: Scope) -> dict[str, Queue]:
    found = {}
    for stream, state in connection.execute(QUEUES):
        name = str(stream).partition("/")[2]
        if scope.queues is None or name in scope.queues:
            queue = decode_aggregate(StreamId(stream), state)
            assert isinstance(queue, Queue)
            found[name] = queue
    return found


def _restricted(scope: Scope) -> tuple[str, tuple[str, ...]]:
    """What to add to a condition on jobs, and the parameters of that."""
    if scope.queues is None:
        return "", ()
    names = tuple(sorted(scope.queues))
    return f" AND queue IN ({', '.join(f':q{at}' for at in range(len(names)))})", names


def _lanes(
    connection: sqlite3.Connection, scope: Scope, now: Instant
) -> Iterator[tuple[Lane, Tally]]:
    restricted, names = _restricted(scope)
    statement = f"""
        {_COUNTED} FROM ({_ALIVE}{restricted} UNION ALL {_ENDED}{restricted})
        GROUP BY queue, lane"""
    parameters: dict[str, object] = {f"q{at}": name for at, name in enumerate(names)}
    parameters |= {"now": micros(now), "since": micros(now - scope.window)}
    for queue, key, *counts in connection.execute(statement, parameters):
        yield Lane(queue=queue, key=key), _tally(*counts)


def _tally(oldest: int | None, *counts: int) -> Tally:
    waiting, later, late, pending, running, undos, *ends = counts
    return Tally(
        waiting=waiting,
        later=later,
        late=late,
        pending=pending,
        running=running,
        undos=undos,
        oldest=None if oldest is None else instant(oldest),
        ended={status: count for status, count in zip(ENDS, ends, strict=True) if count},
    )


def _samples(connection: sqlite3.Connection, scope: Scope) -> Iterator[Sample]:
    restricted, names = _restricted(scope)
    statement = f"""
        SELECT id, queue, lane FROM parcae_jobs WHERE ended_at IS NOT NULL{restricted}
        ORDER BY ended_at DESC, id DESC LIMIT :sample"""
    parameters: dict[str, object] = {f"q{at}": name for at, name in enumerate(names)}
    parameters["sample"] = scope.sample
    events = f"""
        SELECT position, data FROM parcae_events
        WHERE stream = ? AND tag IN ({", ".join("?" * len(_TIMED))}) ORDER BY version"""
    for job_id, queue, lane in connection.execute(statement, parameters).fetchall():
        rows = connection.execute(events, (job_id, *_TIMED)).fetchall()
        read = (decode_event(data, job_id=job_id, position=at) for at, data in rows)
        yield Sample(lane=Lane(queue=queue, key=lane), events=tuple(read))


def standing(queries: Queries, clock: Clock, job_id: JobId) -> Standing | None:
    """Where a job stands; ``None``: there is none."""
    connection = queries.connection
    with _instant(connection):
        found = queries.fetch(job_id)
        if found is None:
            return None
        now, lane = clock.now(), found.job.spec.lane
        queue, mine = _queue(queries, lane.queue), _offer(connection, found)
        ahead = (0, 0) if mine is None else _ahead(connection, queue, mine, job_id, now)
        held, held_in_queue = connection.execute(
            HELD, {"queue": lane.queue, "lane": lane.key}
        ).fetchone()
        return Standing(
            now=now,
            stored=found,
            offer=mine,
            queue=queue,
            ahead=ahead[0],
            ahead_in_queue=ahead[1],
            held=held,
            held_in_queue=held_in_queue,
            holders=_holders(queries, lane),
            free=_free(connection, lane),
        )


HELD = """
    SELECT count(*) FILTER (WHERE lane = :lane), count(*) FROM parcae_jobs
    WHERE worker IS NOT NULL AND queue = :queue"""
HOLDERS = f"{FOUND} WHERE j.worker IS NOT NULL AND j.queue = ? AND j.lane = ?"
OFFER = """
    SELECT offer_at, offer_until, offer_undo FROM parcae_jobs
    WHERE id = ? AND offer_at IS NOT NULL"""
AHEAD = """
    SELECT count(*) FILTER (WHERE lane = :lane), count(*) FROM parcae_jobs
    WHERE queue = :queue AND offer_at <= :at AND (offer_until IS NULL OR offer_until > :at)
    AND (1 - offer_undo, place * :by_place - priority * :by_priority, place, id)
        < (:forward, :rank, :place, :id)"""


def _queue(queries: Queries, name: str) -> Queue:
    found = queries.aggregate(queue_stream(name))
    return found if isinstance(found, Queue) else Queue(name=name)


def _offer(connection: sqlite3.Connection, found: Stored) -> Offer | None:
    row = connection.execute(OFFER, (found.job.id,)).fetchone()
    if row is None:
        return None
    at, until, undo = row
    return Offer(
        at=instant(at),
        until=None if until is None else instant(until),
        kind=found.job.spec.kind,
        lane=found.job.spec.lane,
        undo=bool(undo),
        priority=found.job.spec.priority,
        place=found.job.place,
    )


def _ahead(
    connection: sqlite3.Connection, queue: Queue, mine: Offer, job_id: JobId, now: Instant
) -> tuple[int, int]:
    """How many go before it, of its lane and of its queue."""
    forward, rank, place = order(mine, queue)
    parameters = {
        "queue": mine.lane.queue,
        "lane": mine.lane.key,
        "at": micros(max(now, mine.at)),
        # The second part of the order is by priority alone, or by place and what it is worth.
        "by_place": int(queue.aging is not None),
        "by_priority": 1 if queue.aging is None else queue.aging,
        "forward": int(forward),
        "rank": rank,
        "place": place,
        "id": job_id,
    }
    in_lane, in_queue = connection.execute(AHEAD, parameters).fetchone()
    return in_lane, in_queue


def _holders(queries: Queries, lane: Lane) -> tuple[Stored, ...]:
    """Since when a lease is held stands in the state alone, so that all are read."""
    rows = queries.connection.execute(HOLDERS, (lane.queue, lane.key)).fetchall()
    held = [
        (one.job.lease.since, one.job.id, one)
        for row in rows
        if (one := stored(row, None)).job.lease
    ]
    return tuple(one for _, _, one in sorted(held, key=lambda one: one[:2])[:MAX_HOLDERS])


def _free(connection: sqlite3.Connection, lane: Lane) -> dict[Key, KeyRow]:
    found = {}
    for key in rate_keys(lane):
        row = connection.execute(KEY, (key.scope, key.key)).fetchone()
        if row is not None:
            found[key] = key_row(key, row)
    return found
