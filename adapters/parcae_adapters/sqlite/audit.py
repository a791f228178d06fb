"""What is wrong with a file, beside what a refold of the histories finds."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from parcae.assess import stray_liveness
from parcae.deliveries import Delivery
from parcae.effects import Offer
from parcae.errors import Corrupt
from parcae.groups import Group, due_at
from parcae.queues import Queue
from parcae.saga import resume
from parcae.schedules import Schedule
from parcae.state import Job, Pending, Stored
from parcae.values import Instant, Place
from parcae_adapters.contract import lawful
from parcae_adapters.sqlite.pending import fixed
from parcae_adapters.sqlite.queries import Queries
from parcae_adapters.sqlite.rows import (
    DERIVED,
    FOUND,
    columns,
    delivery_columns,
    instant,
    micros,
    shelf,
    stored,
)
from parcae_adapters.sqlite.statements import QUEUES

SPEC_COLUMNS = ("kind", "queue", "lane", "priority", "grp", "member")
UNTIL, REMIND = DERIVED.index("offer_until"), DERIVED.index("remind_at")

ORPHANS = {
    "events without a job": """
        SELECT DISTINCT stream FROM parcae_events WHERE stream NOT LIKE '%/%'
        AND stream NOT IN (SELECT id FROM parcae_jobs)
        AND stream NOT IN (SELECT stream FROM parcae_events WHERE tag = 'deleted')""",
    "events from before it was deleted": """
        SELECT DISTINCT stream FROM parcae_events WHERE tag != 'deleted'
        AND stream IN (SELECT stream FROM parcae_events WHERE tag = 'deleted')""",
    "blobs without a job": """
        SELECT DISTINCT job_id FROM parcae_blobs
        WHERE job_id NOT IN (SELECT id FROM parcae_jobs)
        AND job_id NOT IN (SELECT stream FROM parcae_deliveries)
        AND job_id NOT IN (
            SELECT stream FROM parcae_aggregates WHERE stream LIKE 'subscription/%')""",
    "a delivery without the body that it sends": """
        SELECT stream FROM parcae_deliveries
        WHERE stream NOT IN (SELECT job_id FROM parcae_blobs WHERE name = 'body')""",
    "a version that is not the number of its events": """
        SELECT id FROM parcae_jobs AS j WHERE version != (
            SELECT count(*) FROM parcae_events WHERE stream = j.id)
        OR version != (SELECT max(version) FROM parcae_events WHERE stream = j.id)""",
    "a place in line that counts as free": """
        SELECT id FROM parcae_jobs
        WHERE place >= (SELECT value FROM parcae_counters WHERE name = 'place')""",
    "offered, and neither in line nor for later": """
        SELECT id FROM parcae_jobs
        WHERE (offer_at IS NULL) != (ready IS NULL) OR ready NOT IN (0, 1)""",
    "waits for others by the index, but is not there, or has ended": """
        SELECT DISTINCT child FROM parcae_edges
        WHERE NOT EXISTS (SELECT 1 FROM parcae_jobs WHERE id = child AND ended_at IS NULL)""",
    "still in the inbox, but admitted": """
        SELECT id FROM parcae_inbox
        WHERE error IS NULL AND id IN (SELECT id FROM parcae_jobs)""",
}

STREAMS = """
    SELECT a.stream, a.version, a.remind_at, a.state,
        (SELECT count(*) FROM parcae_events WHERE stream = a.stream),
        (SELECT max(version) FROM parcae_events WHERE stream = a.stream)
    FROM (
        SELECT stream, version, remind_at, state FROM parcae_aggregates
        UNION ALL SELECT stream, version, remind_at, state FROM parcae_deliveries) AS a"""
HOMELESS = """
    SELECT DISTINCT stream FROM parcae_events WHERE stream LIKE '%/%'
    AND tag != 'delivery-deleted'
    AND stream NOT IN (SELECT stream FROM parcae_aggregates)
    AND stream NOT IN (SELECT stream FROM parcae_deliveries)"""
DELIVERY_COLUMNS = """
    SELECT subscription, subject, number, stage, ended_at, worker, request
    FROM parcae_deliveries WHERE stream = ?"""
SET_ASIDE = "SELECT id, error FROM parcae_inbox WHERE error IS NOT NULL"
EDGES_OF = "SELECT parent, settled FROM parcae_edges WHERE child = ?"
AWAITED = "SELECT DISTINCT parent FROM parcae_edges WHERE settled = 0"


def faults(queries: Queries) -> tuple[str, ...]:
    """Everything found, each in one line; empty: nothing."""
    connection = queries.connection
    # One transaction, so that all questions see one instant.
    connection.execute("BEGIN")
    try:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        found += [
            f"{stream if '/' in stream else f'job {stream}'}: {what}"
            for what, statement in ORPHANS.items()
            for (stream,) in connection.execute(statement)
        ]
        awaited = {parent for (parent,) in connection.execute(AWAITED)}
        return (
            *found,
            *_rows(queries, awaited),
            *_streams(connection, awaited),
            *_inbox(connection),
        )
    finally:
        connection.execute("ROLLBACK")


def _rows(queries: Queries, awaited: Container[str]) -> Iterator[str]:
    more = ", ".join(f"j.{name}" for name in SPEC_COLUMNS)
    statement = FOUND.replace("FROM parcae_jobs", f", {more} FROM parcae_jobs", 1)
    queues = _queues(queries)
    for row in queries.connection.execute(statement):
        found, beside = row[: -len(SPEC_COLUMNS)], row[-len(SPEC_COLUMNS) :]
        try:
            one = stored(found, None)
        except Corrupt as error:
            yield str(error)
            continue
        job = one.job
        stray = stray_liveness(job, one.liveness)
        if stray:
            yield f"job {job.id}: {stray}"
        yield from _columns(one, found[6:], beside, queues.get(job.spec.lane.queue), awaited)
        if job.spec.dependencies:
            yield from _edges(queries.connection, job)


def _queues(queries: Queries) -> Mapping[str, Queue]:
    found: dict[str, Queue] = {}
    for stream, _ in queries.connection.execute(QUEUES).fetchall():
        # One that cannot be read is told of with the other streams.
        with contextlib.suppress(Corrupt):
            queue = queries.aggregate(stream)
            if isinstance(queue, Queue):
                found[queue.name] = queue
    return found


def _columns(
    one: Stored,
    found: Sequence[Any],
    beside: Sequence[Any],
    queue: Queue | None,
    awaited: Container[str],
) -> Iterator[str]:
    job = one.job
    should = (*columns(job, resume(one)), *fixed(job.spec))
    kept = _kept(job, found)
    excused: set[str] = set()
    if lawful(one, kept, queue, waited_for=job.id in awaited):
        # What depends on others than the job itself; the rest of the columns does not.
        excused = {"offer_until", "remind_at"}
    for name, ours, theirs in zip(
        (*DERIVED, *SPEC_COLUMNS), should, (*found, *beside), strict=True
    ):
        if ours != theirs and name not in excused:
            yield f"job {job.id}: column {name} is {theirs!r}, its state says {ours!r}"
        elif name == "remind_at" and not excused:
            yield from _unreminded(job, theirs, awaited)


def _unreminded(job: Job, remind_at: int | None, awaited: Container[str]) -> Iterator[str]:
    if job.status.is_terminal and remind_at is None and job.id in awaited:
        yield f"job {job.id}: others still wait for it, and nobody will look at it again"


def _kept(job: Job, found: Sequence[Any]) -> tuple[Offer | None, Instant | None]:
    """What a row says of when the job is offered, and when it falls due."""
    row = dict(zip(DERIVED, found, strict=True))
    spec, at = job.spec, row["offer_at"]
    remind = row["remind_at"]
    offer = None
    if at is not None:
        until = row["offer_until"]
        offer = Offer(
            at=instant(at),
            until=None if until is None else instant(until),
            kind=spec.kind,
            lane=spec.lane,
            undo=bool(row["offer_undo"]),
            priority=spec.priority,
            place=Place(row["place"]),
        )
    return offer, None if remind is None else instant(remind)


def _edges(connection: sqlite3.Connection, job: Job) -> Iterator[str]:
    found = dict(connection.execute(EDGES_OF, (job.id,)).fetchall())
    waits = set(job.state.unsettled) if isinstance(job.state, Pending) else set()
    should = {one.parent: int(one.parent not in waits) for one in job.spec.dependencies}
    if job.status.is_terminal:
        should = {}
    for parent in sorted({*should, *found}):
        if should.get(parent) != found.get(parent):
            yield (
                f"job {job.id}: its wait for {parent} is settled {found.get(parent)} by the "
                f"index, {should.get(parent)} by its state"
            )


def _streams(connection: sqlite3.Connection, awaited: Container[str]) -> Iterator[str]:
    for stream, version, remind_at, state, count, last in connection.execute(STREAMS):
        if version != count or version != last:
            yield f"{stream}: a version that is not the number of its events"
        try:
            found = shelf((stream, version, state), None, 0).aggregate
        except Corrupt as error:
            yield str(error)
            continue
        if isinstance(found, Delivery):
            yield from _delivery(connection, found, remind_at)
        elif isinstance(found, Group):
            yield from _group(found, remind_at, stream in awaited)
        elif remind_at is not None and not isinstance(found, Schedule):
            yield f"{stream}: to be looked at again, for nothing"
    for (stream,) in connection.execute(HOMELESS):
        yield f"{stream}: events without a row"


def _group(group: Group, remind_at: int | None, awaited: bool) -> Iterator[str]:
    if group.status is None:
        if micros(due_at(group)) != remind_at:
            yield f"{group.id}: column remind_at is {remind_at!r}, its state says {due_at(group)}"
    elif awaited and remind_at is None:
        yield f"{group.id}: others still wait for it, and nobody will look at it again"


def _delivery(
    connection: sqlite3.Connection, found: Delivery, remind_at: int | None
) -> Iterator[str]:
    row = connection.execute(DELIVERY_COLUMNS, (found.id,)).fetchone()
    if row != delivery_columns(found):
        yield f"{found.id}: its columns are {row!r}, its state says {delivery_columns(found)!r}"
    if found.open != (remind_at is not None):
        yield f"{found.id}: to be looked at at {remind_at!r}, while it is {found.stage}"


def _inbox(connection: sqlite3.Connection) -> Iterator[str]:
    for job_id, error in connection.execute(SET_ASIDE):
        yield f"job {job_id}: set aside in the inbox, not admitted: {error}"
