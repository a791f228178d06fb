"""What the reader can be asked. Every question is one statement, so it sees one instant."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from parcae.change import Aggregate, AnyEvent
from parcae.deliveries import Delivery
from parcae.deliveries import Standing as Stage
from parcae.outbox import sendable
from parcae.ports import DeliveryPage, DeliveryQuery, Extent, Page, Query, Recorded
from parcae.seal import Seal
from parcae.state import Ended, Job, Stored
from parcae.subscriptions import Subscription
from parcae.values import Instant, JobId, Position, Status, StreamId, Version
from parcae_adapters.contract import ending_cursor, ending_place
from parcae_adapters.sqlite.rows import FOUND, Recent, instant, micros, recorded, shelf, stored
from parcae_adapters.sqlite.statements import AGGREGATE, DELIVERY, SUBSCRIPTIONS

HISTORY = """
    SELECT position, stream, version, data FROM parcae_events
    WHERE stream = ? AND version > ? ORDER BY version"""
LOG = """
    SELECT position, stream, version, data FROM parcae_events
    WHERE position > ? ORDER BY position LIMIT ?"""
EXTENT = """
    SELECT (SELECT position FROM parcae_gone),
        coalesce((SELECT max(position) FROM parcae_events), 0)"""
NEXT_DUE = """
    SELECT min(at) FROM (
        SELECT min(offer_at) AS at FROM parcae_jobs WHERE offer_at > :after
        UNION ALL SELECT min(remind_at) FROM parcae_jobs WHERE remind_at > :after
        UNION ALL SELECT min(remind_at) FROM parcae_aggregates WHERE remind_at > :after
        UNION ALL SELECT min(expires_at) FROM parcae_keys
            WHERE scope IN ('rate', 'rate by key') AND expires_at > :after)"""
AGGREGATES = """
    SELECT * FROM (
        SELECT stream, version, state FROM parcae_aggregates
        WHERE stream > ?1 AND state IS NOT NULL ORDER BY stream LIMIT ?2)
    UNION ALL
    SELECT * FROM (
        SELECT stream, version, state FROM parcae_deliveries
        WHERE stream > ?1 ORDER BY stream LIMIT ?2)
    ORDER BY stream LIMIT ?2"""
NEXT_DELIVERY = """
    SELECT min(remind_at) FROM parcae_deliveries INDEXED BY parcae_outgoing
    WHERE subscription = ? AND remind_at > ?"""
TALLY = "SELECT subscription, stage, count(*) FROM parcae_deliveries GROUP BY 1, 2"

ENDED = f"""
    {FOUND.replace("AS j", "AS j INDEXED BY parcae_ended_at", 1)}
    WHERE j.status = ? AND j.ended_at <= ? AND (j.ended_at, j.id) > (?, ?)
    ORDER BY j.ended_at, j.id LIMIT ?"""

OF_DELIVERY = "delivery/"
BEFORE_ALL = -(2**62)
"""Microseconds: an instant before every other."""


class Queries:
    """Questions to one connection. For one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._known: Recent[JobId, Job] = Recent()

    def fetch(self, job_id: JobId) -> Stored | None:
        """One job."""
        statement = f"{FOUND} WHERE j.id = ?"
        found = self.connection.execute(statement, (job_id,)).fetchone()
        return None if found is None else self._stored(found)

    def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        conditions, parameters = _conditions(query)
        if query.cursor:
            conditions.append("j.id < ?")
            parameters.append(query.cursor)
        statement = f"{FOUND} {_where(conditions)} ORDER BY j.id DESC LIMIT ?"
        rows = self.connection.execute(statement, (*parameters, query.limit + 1)).fetchall()
        jobs = tuple(self._stored(row) for row in rows[: query.limit])
        return Page(jobs=jobs, cursor=jobs[-1].job.id if len(rows) > query.limit else "")

    def ended(self, status: Status, until: Instant, cursor: str, limit: int) -> Page:
        """Jobs that ended so by ``until``, the first to end first."""
        after = ending_place(cursor)
        since, name = (BEFORE_ALL, "") if after is None else (micros(after[0]), after[1])
        wanted = (status, micros(until), since, name, limit + 1)
        rows = self.connection.execute(ENDED, wanted).fetchall()
        jobs = tuple(self._stored(row) for row in rows[:limit])
        ends = [one.job.state.at for one in jobs if isinstance(one.job.state, Ended)]
        more = len(rows) > limit
        return Page(jobs=jobs, cursor=ending_cursor(ends[-1], jobs[-1].job.id) if more else "")

    def count(self, query: Query) -> Mapping[Status, int]:
        """How many jobs, by status."""
        conditions, parameters = _conditions(query)
        statement = f"SELECT status, count(*) FROM parcae_jobs AS j {_where(conditions)} GROUP BY 1"
        counted = dict(self.connection.execute(statement, parameters).fetchall())
        return {status: counted[status] for status in Status if status in counted}

    def history(self, stream: str, after: Version) -> Sequence[Recorded[Any]]:
        """The events of one job, queue, group or schedule."""
        return tuple(map(recorded, self.connection.execute(HISTORY, (stream, after)).fetchall()))

    def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule."""
        statement = DELIVERY if stream.startswith(OF_DELIVERY) else AGGREGATE
        found = self.connection.execute(statement, (stream,)).fetchone()
        return None if found is None else shelf(found, None, 0).aggregate

    def aggregates(self, after: str, limit: int) -> Sequence[Aggregate]:
        """Queues, groups and schedules, by the names of their streams."""
        rows = self.connection.execute(AGGREGATES, (after, max(limit, 0))).fetchall()
        found = (shelf(row, None, 0).aggregate for row in rows)
        return tuple(one for one in found if one is not None)

    def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries, newest first."""
        conditions, parameters = _wanted(query)
        statement = f"""
            SELECT stream, version, state FROM parcae_deliveries {_where(conditions)}
            ORDER BY stream DESC LIMIT ?"""
        rows = self.connection.execute(statement, (*parameters, query.limit + 1)).fetchall()
        found = (shelf(row, None, 0).aggregate for row in rows[: query.limit])
        deliveries = tuple(one for one in found if isinstance(one, Delivery))
        more = len(rows) > query.limit
        return DeliveryPage(deliveries=deliveries, cursor=deliveries[-1].id if more else "")

    def tally(self) -> Mapping[tuple[str, Stage], int]:
        """How many deliveries are in which of their states, by subscription."""
        rows = self.connection.execute(TALLY).fetchall()
        return {(name, Stage(found)): count for name, found, count in rows}

    def next_delivery(self, after: Instant | None) -> Instant | None:
        """The earliest instant past ``after`` at which a delivery is due that may be sent."""
        since = BEFORE_ALL if after is None else micros(after)
        rows = self.connection.execute(SUBSCRIPTIONS).fetchall()
        found = [self.aggregate(stream) for stream, _ in rows]
        there = {one.name: one for one in found if isinstance(one, Subscription)}
        seal = next((one for one in found if isinstance(one, Seal)), Seal())
        dues = (
            self.connection.execute(NEXT_DELIVERY, (name, since)).fetchone()[0]
            for name in sendable(there, seal)
        )
        earliest = min((one for one in dues if one is not None), default=None)
        return None if earliest is None else instant(earliest)

    def log(self, after: Position, limit: int) -> Sequence[Recorded[AnyEvent]]:
        """The events of everything."""
        rows = self.connection.execute(LOG, (after, max(limit, 0))).fetchall()
        return tuple(map(recorded, rows))

    def extent(self) -> Extent:
        """How far the log reaches, and from where on it is whole."""
        whole, head = self.connection.execute(EXTENT).fetchone()
        return Extent(whole=Position(whole), head=Position(head))

    def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """Bytes, by name."""
        wanted = tuple(dict.fromkeys(names))
        marks = ", ".join("?" * len(wanted))
        statement = f"SELECT name, data FROM parcae_blobs WHERE job_id = ? AND name IN ({marks})"
        found = dict(self.connection.execute(statement, (job_id, *wanted)).fetchall())
        return {name: found[name] for name in wanted if name in found}

    def next_due(self, after: Instant | None) -> Instant | None:
        """The earliest instant past ``after`` at which anything is offered or falls due."""
        since = BEFORE_ALL if after is None else micros(after)
        (found,) = self.connection.execute(NEXT_DUE, {"after": since}).fetchone()
        return None if found is None else instant(found)

    def _stored(self, found: tuple[Any, ...]) -> Stored:
        job_id: JobId = found[0]
        read = stored(found, self._known.get(job_id))
        self._known[job_id] = read.job
        self._known.trim()
        return read


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _wanted(query: DeliveryQuery) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    parameters: list[object] = []
    for column, wanted in (
        ("stage", query.states),
        ("subscription", query.subscriptions),
        ("subject", {query.subject} if query.subject is not None else ()),
    ):
        if wanted:
            conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            parameters.extend(sorted(wanted))
    if query.cursor:
        conditions.append("stream < ?")
        parameters.append(query.cursor)
    return conditions, parameters


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    parameters: list[object] = []
    for column, wanted in (
        ("status", query.statuses),
        ("kind", query.kinds),
        ("queue", query.queues),
        ("worker", {query.worker} if query.worker is not None else ()),
        ("grp", {query.group} if query.group is not None else ()),
    ):
        if wanted:
            conditions.append(f"j.{column} IN ({', '.join('?' * len(wanted))})")
            parameters.extend(sorted(wanted))
    return conditions, parameters
