"""What the writer knows of the tables, and what it has yet to write into them.

What was read or written stays true until another connection commits: then ``data_version`` is
another, and everything is read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from parcae.change import Aggregate, Change, Key, KeyRow, Revision
from parcae.errors import Conflict, Reason
from parcae.events import Deleted, DependencySettled
from parcae.queues import Queue
from parcae.seal import Seal
from parcae.state import Pending, Stored
from parcae.subscriptions import Subscription
from parcae.values import Instant, JobId, StreamId, Version
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.pending import Unwritten
from parcae_adapters.sqlite.rows import (
    FOUND,
    Recent,
    Row,
    Shelf,
    columns,
    exact,
    key_row,
    shelf,
    stored,
)

DELIVERY = "delivery/"
AT = 4
"""Where ``offer_at`` stands among the derived columns."""


class Tables:
    """Rows as the transaction sees them: those written, and those staged to be written.

    Attributes:
        connection: the one that writes.
        place: the first free place in line.
        head: the last position in the log.
        wrote: whether anything was written since ``begin``.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.place = self._stored_place = 0
        self.head = -1
        self.wrote = False
        self._rows: Recent[JobId, Row] = Recent()
        self._shelves: Recent[StreamId, Shelf] = Recent()
        self._queues: dict[str, Queue] = {}
        self._queues_seen = -1
        self._subscriptions: dict[str, Subscription] = {}
        self._seal = Seal()
        self._listening_seen = -1
        self._edges_seen, self._edges = -1, False
        self._seen = 0
        self._data_version: int | None = None
        self._unwritten = Unwritten()

    def changed(self) -> bool:
        """Whether another connection has committed since the last look."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        changed = bool(version != self._data_version)
        self._data_version = version
        if changed:
            self._seen += 1
            self.head = -1
        return changed

    def begin(self) -> None:
        """The write lock has just been taken, and what others did was looked for."""
        if self.head < 0:
            self.head, self.place = self.connection.execute(sql.COUNTERS).fetchone()
            self._stored_place = self.place
        self._rows.trim()
        self._shelves.trim()
        self.wrote = False

    def forget(self) -> None:
        """The transaction was rolled back: nothing that was read or written under it counts."""
        self._rows.clear()
        self._shelves.clear()
        self._unwritten = Unwritten()
        self._data_version = None
        self._seen += 1
        self.head = -1

    def restart(self) -> None:
        """Nothing staged counts, or written since a savepoint; but the transaction goes on."""
        wrote = self.wrote
        self.forget()
        self.changed()
        self.begin()
        self.wrote = wrote

    def flush(self) -> None:
        """Write what has been staged."""
        unwritten = self._unwritten
        if not unwritten:
            return
        self.wrote = True
        unwritten.write(self.connection, self._rows)
        if self.place != self._stored_place:
            self.connection.execute(sql.SET_PLACE, (self.place,))
            self._stored_place = self.place
        self._unwritten = Unwritten()

    def query(self, statement: str, parameters: Sequence[object]) -> list[JobId]:
        """The ids that ``statement`` finds, in what is written and what is staged."""
        self.flush()
        return [job_id for (job_id,) in self.connection.execute(statement, parameters)]

    def load(self, wanted: Iterable[JobId]) -> None:
        """Read those jobs that are not known."""
        for job_id in wanted:
            row = self._rows.get(job_id)
            if (row is not None and row.seen == self._seen) or job_id in self._unwritten.gone:
                continue
            found = self.connection.execute(f"{FOUND} WHERE j.id = ?", (job_id,)).fetchone()
            if found is None:
                self._rows.pop(job_id, None)
                continue
            known = None if row is None else row.stored.job
            self._rows[job_id] = Row(stored(found, known), found[6:], self._seen)

    def stored(self, job_id: JobId) -> Stored | None:
        """One job that was loaded."""
        row = self._rows.get(job_id)
        return row.stored if row is not None and row.seen == self._seen else None

    def known(self, job_id: JobId) -> Stored:
        """One job that was loaded and is there."""
        return self._rows[job_id].stored

    def promote(self, now: Instant) -> None:
        """What was offered for later, and is offered now, gets into line."""
        if self.connection.execute(sql.PROMOTE, (exact(now),)).rowcount:
            self.wrote = True

    def keys(self, keys: Iterable[Key]) -> dict[Key, KeyRow]:
        """Those of ``keys`` that exist."""
        found: dict[Key, KeyRow] = {}
        for key in keys:
            row = self._unwritten.keys.get(key)
            if row is None:
                read = self.connection.execute(sql.KEY, (key.scope, key.key)).fetchone()
                row = None if read is None else key_row(key, read)
            if row is not None:
                found[key] = row
        return found

    def blobs(self, jobs: Iterable[JobId]) -> dict[tuple[JobId, str], bytes]:
        """All bytes beside ``jobs``."""
        self.flush()
        return {
            (job_id, name): data
            for job_id in jobs
            for name, data in self.connection.execute(sql.BLOBS, (job_id,))
        }

    def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule."""
        return self._shelf(stream).aggregate

    def reached(self, stream: StreamId) -> Version:
        """How many events a queue, group or schedule has, one that is gone included."""
        return self._shelf(stream).version

    def _shelf(self, stream: StreamId) -> Shelf:
        known = self._shelves.get(stream)
        if known is not None and known.seen == self._seen:
            return known
        statement = sql.DELIVERY if stream.startswith(DELIVERY) else sql.AGGREGATE
        row = self.connection.execute(statement, (stream,)).fetchone()
        found = Shelf(None, Version(0), self._seen) if row is None else None
        self._shelves[stream] = found or shelf(row, known, self._seen)
        return self._shelves[stream]

    def queues(self) -> Mapping[str, Queue]:
        """All queues that anything is set for: usually none."""
        if self._queues_seen != self._seen:
            self.flush()
            versions = self.connection.execute(sql.QUEUES).fetchall()
            kept = {one.name: one for one in self._queues.values()}
            self._queues = {}
            for stream, version in versions:
                queue = kept.get(stream.removeprefix("queue/"))
                found = queue if queue and queue.version == version else self.aggregate(stream)
                if isinstance(found, Queue):
                    self._queues[found.name] = found
            self._queues_seen = self._seen
        return self._queues

    def listening(self) -> tuple[Mapping[str, Subscription], Seal]:
        """All subscriptions, usually none, and the seal."""
        if self._listening_seen != self._seen:
            self.flush()
            self._subscriptions, self._seal = {}, Seal()
            for stream, _ in self.connection.execute(sql.SUBSCRIPTIONS).fetchall():
                self._listen(self.aggregate(stream))
            self._listening_seen = self._seen
        return self._subscriptions, self._seal

    def _listen(self, found: Aggregate | None) -> None:
        if isinstance(found, Seal):
            self._seal = found
        elif isinstance(found, Subscription):
            # A view that was given away keeps the mapping it was given.
            self._subscriptions = {**self._subscriptions, found.name: found}

    def has_edges(self) -> bool:
        """Whether any job that has not ended waits, or has waited, for another."""
        if self._edges_seen != self._seen:
            (found,) = self.connection.execute(sql.EDGES).fetchone()
            self._edges, self._edges_seen = bool(found), self._seen
        return self._edges or bool(self._unwritten.edges)

    def edges(self, statement: str, parameters: Sequence[object]) -> list[JobId]:
        """What ``statement`` finds among who waits for whom, written and staged."""
        if self._unwritten.edges:
            self.flush()
        return [found for (found,) in self.connection.execute(statement, parameters)]

    def stage(self, change: Change, now: Instant) -> None:
        """Have ``change`` written by the next ``flush``; from now on it counts.

        Raises:
            Conflict: it gives the name of a deleted job again.
        """
        job_id, before = change.job_id, self._rows.get(change.job_id)
        if before is not None and before.seen != self._seen:
            before = None
        unwritten = self._unwritten
        if change.before == 0 and job_id in unwritten.gone:
            raise Conflict(Reason.MOVED_ON, f"job {job_id} was there and is deleted")
        unwritten.before.setdefault(job_id, before)
        self._log(StreamId(job_id), change)
        unwritten.keys.update((row.key, row) for row in change.keys)
        self._stage_edges(change, before)
        job = change.job
        if job is None:
            self._rows.pop(job_id, None)
            unwritten.gone[job_id] = unwritten.position(StreamId(job_id), Deleted)
            return
        self.place = max(self.place, job.place + 1)
        unwritten.blobs.update(((job_id, one.name), bytes(data)) for one, data in change.blobs)
        derived = columns(job, change.effects)
        at = derived[AT]
        ready = None if at is None else int(at <= exact(now))
        after = Stored(job=job, liveness=change.liveness)
        self._rows[job_id] = Row(after, derived, self._seen, ready)

    def revise(self, revision: Revision) -> None:
        """Have ``revision`` written by the next ``flush``; from now on it counts."""
        stream, after = revision.stream, revision.after
        version = Version(revision.before + len(revision.events))
        self._log(stream, revision)
        unwritten = self._unwritten
        unwritten.keys.update((row.key, row) for row in revision.keys)
        unwritten.blobs.update(((stream, one.name), bytes(data)) for one, data in revision.blobs)
        unwritten.blobs.update(((stream, name), None) for name in revision.dropped)
        if after is None:
            unwritten.removed[stream] = self.head
            unwritten.shelves.pop(stream, None)
            self._shelves[stream] = Shelf(None, version, self._seen)
            return
        unwritten.shelves[stream] = (version, revision.remind, after)
        if isinstance(after, Subscription | Seal) and self._listening_seen == self._seen:
            self._listen(after)
        if isinstance(after, Queue) and self._queues_seen == self._seen:
            # A view that was given away keeps the mapping it was given.
            self._queues = {**self._queues, after.name: after}
        self._shelves[stream] = Shelf(after, version, self._seen)

    def _log(self, stream: StreamId, change: Change | Revision) -> None:
        for version, event in enumerate(change.events, change.before + 1):
            self.head += 1
            self._unwritten.events.append((self.head, stream, version, event))

    def _stage_edges(self, change: Change, before: Row | None) -> None:
        job_id, job = change.job_id, change.job
        edges = self._unwritten.edges
        if job is None or not job.spec.dependencies:
            if job is None and before is not None and before.stored.job.spec.dependencies:
                edges.append((sql.DELETE_EDGES, (job_id,)))
            return
        if job.status.is_terminal:
            edges.append((sql.DELETE_EDGES, (job_id,)))
        elif before is None:
            state = job.state
            waits = set(state.unsettled) if isinstance(state, Pending) else set()
            parents = (one.parent for one in job.spec.dependencies)
            edges.extend((sql.PUT_EDGE, (one, job_id, one not in waits)) for one in parents)
            self._edges = True
        else:
            settled = (one for one in change.events if isinstance(one, DependencySettled))
            edges.extend((sql.SETTLE_EDGE, (one.parent, job_id)) for one in settled)
