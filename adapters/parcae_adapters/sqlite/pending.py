"""What one commit has yet to write: as few rows as there are, each as the last change left it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from parcae.change import Aggregate, AnyEvent, Key, KeyRow
from parcae.codec import encode_aggregate, encode_event, encode_job, encode_liveness
from parcae.deliveries import Delivery
from parcae.errors import Conflict, Reason
from parcae.spec import Spec
from parcae.values import Instant, JobId, StreamId, Version
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.rows import Row, delivery_columns, micros


class Unwritten:
    """Everything staged.

    Attributes:
        before: the jobs, each as it was before the first change.
        events: with their positions, streams and versions.
        blobs: bytes, by job and name; ``None``: they go.
        keys: rows, by name.
        gone: deleted jobs, and where they were.
        edges: statements about who waits for whom, in order.
        shelves: what else has a history, with versions and reminders.
        removed: deliveries that are deleted, and where they were.
    """

    def __init__(self) -> None:
        self.before: dict[JobId, Row | None] = {}
        self.events: list[tuple[int, StreamId, int, AnyEvent]] = []
        self.blobs: dict[tuple[str, str], bytes | None] = {}
        self.keys: dict[Key, KeyRow] = {}
        self.gone: dict[JobId, int] = {}
        self.edges: list[tuple[str, tuple[object, ...]]] = []
        self.shelves: dict[StreamId, tuple[Version, Instant | None, Aggregate]] = {}
        self.removed: dict[StreamId, int] = {}

    def __bool__(self) -> bool:
        return bool(self.before or self.keys or self.shelves or self.removed)

    def position(self, stream: StreamId, kind: type) -> int:
        """Where the last event of that kind stands."""
        return next(
            position
            for position, of, _, event in reversed(self.events)
            if of == stream and isinstance(event, kind)
        )

    def write(self, connection: sqlite3.Connection, rows: Mapping[JobId, Row]) -> None:
        """Write everything; ``rows``: the jobs as they are now.

        Raises:
            Conflict: a job is at another version than was read.
        """
        if self.events:
            events = ((p, s, v, sql.tag(e), encode_event(e)) for p, s, v, e in self.events)
            connection.executemany(sql.INSERT_EVENT, events)
        if self.before:
            self._write_jobs(connection, rows)
        if self.blobs:
            self._write_blobs(connection)
        if self.keys:
            connection.executemany(sql.PUT_KEY, map(_plain_key, self.keys.values()))
        if self.shelves:
            self._write_shelves(connection)
        for statement, many in groupby(self.edges, itemgetter(0)):
            connection.executemany(statement, [parameters for _, parameters in many])
        for job_id, position in self.gone.items():
            connection.execute(sql.DELETE_BLOBS, (job_id,))
            connection.execute(sql.DELETE_EVENTS, (job_id, position))
            connection.execute(sql.DELETE_JOB, (job_id,))
        for stream, position in self.removed.items():
            connection.execute(sql.DELETE_BLOBS, (stream,))
            connection.execute(sql.DELETE_EVENTS, (stream, position))
            connection.execute(sql.DELETE_DELIVERY, (stream,))

    def _write_blobs(self, connection: sqlite3.Connection) -> None:
        kept = ((*key, data) for key, data in self.blobs.items() if data is not None)
        connection.executemany(sql.PUT_BLOB, kept)
        dropped = (key for key, data in self.blobs.items() if data is None)
        connection.executemany(sql.DROP_BLOB, dropped)

    def _write_shelves(self, connection: sqlite3.Connection) -> None:
        aggregates: list[tuple[Any, ...]] = []
        deliveries: list[tuple[Any, ...]] = []
        for stream, (version, remind, after) in self.shelves.items():
            due, state = micros(remind), encode_aggregate(after)
            if isinstance(after, Delivery):
                deliveries.append((stream, version, *delivery_columns(after), due, state))
            else:
                aggregates.append((stream, version, due, state))
        connection.executemany(sql.PUT_AGGREGATE, aggregates)
        connection.executemany(sql.PUT_DELIVERY, deliveries)

    def _write_jobs(self, connection: sqlite3.Connection, rows: Mapping[JobId, Row]) -> None:
        writes: dict[str, list[tuple[Any, ...]]] = {}
        for job_id, before in self.before.items():
            row = rows.get(job_id) if job_id not in self.gone else None
            if row is not None:
                statement, values = _write(job_id, before, row)
                writes.setdefault(statement, []).append(values)
        for statement, many in writes.items():
            cursor = connection.executemany(statement, many)
            if cursor.rowcount != len(many):
                raise Conflict(Reason.MOVED_ON, "a job is at another version than was read")


def _write(job_id: JobId, before: Row | None, row: Row) -> tuple[str, tuple[Any, ...]]:
    """The narrowest statement for it, for each index that is not touched saves a good deal."""
    job, alive, derived = row.stored.job, row.stored.liveness, row.columns
    if before is None:
        liveness = None if alive is None else encode_liveness(alive)
        values = (*derived, row.ready, liveness, encode_job(job))
        return sql.INSERT_JOB, (job_id, job.version, *fixed(job.spec), *values)
    was = before.stored
    fence = (job_id, was.job.version)
    if alive is was.liveness and derived == before.columns:
        return sql.UPDATE_STATE, (job.version, encode_job(job), *fence)
    liveness = None if alive is None else encode_liveness(alive)
    if job.version == was.job.version and derived[:-1] == before.columns[:-1]:
        return sql.UPDATE_LIVENESS, (derived[-1], liveness, *fence)
    values = (*derived, row.ready, liveness, encode_job(job))
    return sql.UPDATE_JOB, (job.version, *values, *fence)


def fixed(spec: Spec) -> tuple[Any, ...]:
    """What of a spec is found by an index. Who undoes a member is none, and has no number."""
    lane = (spec.kind, spec.lane.queue, spec.lane.key, spec.priority)
    group = spec.group
    if group is None:
        return (*lane, None, None)
    return (*lane, group.group_id, -1 if group.undoes else group.index)


def _plain_key(row: KeyRow) -> tuple[Any, ...]:
    return (row.key.scope, row.key.key, row.fingerprint, row.job_id, micros(row.expires_at))
