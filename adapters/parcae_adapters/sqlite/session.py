"""What the writer knows of the tables, and what it has yet to write into them.

Several transactions share one commit. Each sees what those before it did; their rows are written
together, as few of them as there are, when somebody has to look at the tables or the commit comes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from parcae.change import Change, Key, KeyRow, View, announced
from parcae.codec import encode_event, encode_job, encode_liveness
from parcae.errors import Conflict, Reason
from parcae.events import Deleted, Event
from parcae.ports import Claimable, Clock, Committed, Entropy, Named, Overdue, Rule, Selection
from parcae.state import Stored
from parcae.values import JobId, Place, Position
from parcae_adapters.contract import check, turn
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.rows import (
    FOUND,
    Recent,
    Row,
    columns,
    key_row,
    micros,
    stored,
)


class Session:
    """Runs rules over one connection, inside a transaction that somebody else opens and ends.

    What was read or written stays true until another connection commits: then ``data_version``
    is another, and everything is read again. Since ``begin``: ``wrote``, whether anything was;
    ``announced``, the jobs whose end is news.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock, entropy: Entropy) -> None:
        self._connection = connection
        self._clock = clock
        self._entropy = entropy
        self._rows: Recent[JobId, Row] = Recent()
        self._seen = 0
        self._data_version: int | None = None
        self._place = self._stored_place = 0
        self._head = 0
        self.wrote = False
        self.announced: set[JobId] = set()
        self._clear()

    def _clear(self) -> None:
        self._before: dict[JobId, Row | None] = {}
        self._events: list[tuple[int, JobId, int, Event]] = []
        self._blobs: list[tuple[JobId, str, bytes]] = []
        self._keys: dict[Key, KeyRow] = {}
        self._gone: dict[JobId, int] = {}

    def changed(self) -> bool:
        """Whether another connection has committed since the last look."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        changed = bool(version != self._data_version)
        self._data_version = version
        if changed:
            self._seen += 1
            self._head = -1
        return changed

    def begin(self) -> bool:
        """The write lock has just been taken: whether others committed since it was let go."""
        changed = self.changed()
        if self._head < 0:
            self._head, self._place = self._connection.execute(sql.COUNTERS).fetchone()
            self._stored_place = self._place
        self._rows.trim()
        self.wrote = False
        self.announced = set()
        return changed

    def forget(self) -> None:
        """The transaction was rolled back: nothing that was read or written under it counts."""
        self._rows.clear()
        self._clear()
        self._data_version = None

    def run(self, selection: Selection, rule: Rule) -> Committed:
        """One transaction: its changes count for the next one, and are written by ``flush``."""
        changes = tuple(rule(self._view(selection)))
        written = [change for change in changes if not change.idle]
        self._load(change.job_id for change in written if change.before)
        check(written, self._stored)
        for change in written:
            self._stage(change)
        self.announced |= announced(written)
        return Committed(changes=changes, position=Position(self._head))

    def flush(self) -> None:
        """Write what has been staged."""
        if not (self._before or self._keys):
            return
        self.wrote = True
        if self._events:
            rows = ((p, j, v, sql.tag(e), encode_event(e)) for p, j, v, e in self._events)
            self._connection.executemany(sql.INSERT_EVENT, rows)
        if self._before:
            self._write_jobs()
        if self._blobs:
            self._connection.executemany(sql.PUT_BLOB, self._blobs)
        if self._keys:
            self._connection.executemany(sql.PUT_KEY, map(_plain_key, self._keys.values()))
        for job_id, position in self._gone.items():
            self._connection.execute(sql.DELETE_BLOBS, (job_id,))
            self._connection.execute(sql.DELETE_EVENTS, (job_id, position))
            self._connection.execute(sql.DELETE_JOB, (job_id,))
        if self._place != self._stored_place:
            self._connection.execute(sql.SET_PLACE, (self._place,))
            self._stored_place = self._place
        self._clear()

    def _stored(self, job_id: JobId) -> Stored | None:
        row = self._rows.get(job_id)
        return row.stored if row is not None and row.seen == self._seen else None

    def _view(self, selection: Selection) -> View:
        now = self._clock.now()
        keys: dict[Key, KeyRow] = {}
        blobs: dict[tuple[JobId, str], bytes] = {}
        wanted: Iterable[JobId]
        match selection:
            case Named():
                keys = self._find_keys(selection.keys)
                wanted = dict.fromkeys((*selection.ids, *(row.job_id for row in keys.values())))
            case Claimable():
                wanted = self._claimable(selection, micros(now))
            case Overdue():
                wanted = self._query(sql.OVERDUE, (micros(now), selection.limit))
        self._load(wanted)
        jobs = {one: found for one in wanted if (found := self._stored(one)) is not None}
        if isinstance(selection, Named) and selection.blobs:
            blobs = self._find_blobs(jobs)
        return View(
            now=now,
            place=Place(self._place),
            seed=self._entropy(),
            jobs=jobs,
            keys=keys,
            blobs=blobs,
        )

    def _query(self, statement: str, parameters: Sequence[object]) -> list[JobId]:
        """The ids that ``statement`` finds, in what is written and what is staged."""
        self.flush()
        return [job_id for (job_id,) in self._connection.execute(statement, parameters)]

    def _claimable(self, wanted: Claimable, now: int | None) -> list[JobId]:
        held = self._query(sql.HELD, (wanted.worker, wanted.request))
        self._load(held)
        if len(held) > 1:
            held.sort(key=lambda one: turn(self._rows[one].stored.job))
        if not wanted.kinds or wanted.queues == frozenset():
            # SQLite has no plan for a question that can have no answer.
            return held
        return [*held, *self._query(*sql.claimable(wanted, now))]

    def _find_keys(self, keys: Iterable[Key]) -> dict[Key, KeyRow]:
        found: dict[Key, KeyRow] = {}
        for key in keys:
            row = self._keys.get(key)
            if row is None:
                read = self._connection.execute(sql.KEY, (key.scope, key.key)).fetchone()
                row = None if read is None else key_row(key, read)
            if row is not None:
                found[key] = row
        return found

    def _find_blobs(self, jobs: Iterable[JobId]) -> dict[tuple[JobId, str], bytes]:
        self.flush()
        return {
            (job_id, name): data
            for job_id in jobs
            for name, data in self._connection.execute(sql.BLOBS, (job_id,))
        }

    def _load(self, wanted: Iterable[JobId]) -> None:
        for job_id in wanted:
            row = self._rows.get(job_id)
            if (row is not None and row.seen == self._seen) or job_id in self._gone:
                continue
            found = self._connection.execute(f"{FOUND} WHERE j.id = ?", (job_id,)).fetchone()
            if found is None:
                self._rows.pop(job_id, None)
                continue
            known = None if row is None else row.stored.job
            self._rows[job_id] = Row(stored(found, known), found[6:], self._seen)

    def _stage(self, change: Change) -> None:
        job_id, before = change.job_id, self._rows.get(change.job_id)
        if before is not None and before.seen != self._seen:
            before = None
        if change.before == 0 and job_id in self._gone:
            raise Conflict(Reason.MOVED_ON, f"job {job_id} was there and is deleted")
        self._before.setdefault(job_id, before)
        for version, event in enumerate(change.events, change.before + 1):
            self._head += 1
            self._events.append((self._head, job_id, version, event))
        self._keys.update((row.key, row) for row in change.keys)
        job = change.job
        if job is None:
            self._rows.pop(job_id, None)
            self._gone[job_id] = self._position_of_deletion(job_id)
            return
        self._place = max(self._place, job.place + 1)
        self._blobs.extend((job_id, blob.name, bytes(data)) for blob, data in change.blobs)
        after = Stored(job=job, liveness=change.liveness)
        self._rows[job_id] = Row(after, columns(job, change.effects), self._seen)

    def _position_of_deletion(self, job_id: JobId) -> int:
        return next(
            position
            for position, of, _, event in reversed(self._events)
            if of == job_id and isinstance(event, Deleted)
        )

    def _write_jobs(self) -> None:
        writes: dict[str, list[tuple[Any, ...]]] = {}
        for job_id, before in self._before.items():
            row = self._rows.get(job_id) if job_id not in self._gone else None
            if row is not None:
                statement, values = _write(job_id, before, row)
                writes.setdefault(statement, []).append(values)
        for statement, many in writes.items():
            cursor = self._connection.executemany(statement, many)
            if cursor.rowcount != len(many):
                raise Conflict(Reason.MOVED_ON, "a job is at another version than was read")


def _write(job_id: JobId, before: Row | None, row: Row) -> tuple[str, tuple[Any, ...]]:
    """The narrowest statement for it, for each index that is not touched saves a good deal."""
    job, alive, derived = row.stored.job, row.stored.liveness, row.columns
    if before is None:
        spec = job.spec
        lane = (spec.kind, spec.lane.queue, spec.lane.key, spec.priority)
        liveness = None if alive is None else encode_liveness(alive)
        return sql.INSERT_JOB, (job_id, job.version, *lane, *derived, liveness, encode_job(job))
    was = before.stored
    fence = (job_id, was.job.version)
    if alive is was.liveness and derived == before.columns:
        return sql.UPDATE_STATE, (job.version, encode_job(job), *fence)
    liveness = None if alive is None else encode_liveness(alive)
    if job is was.job or (job.version == was.job.version and derived[:-1] == before.columns[:-1]):
        return sql.UPDATE_LIVENESS, (derived[-1], liveness, *fence)
    return sql.UPDATE_JOB, (job.version, *derived, liveness, encode_job(job), *fence)


def _plain_key(row: KeyRow) -> tuple[Any, ...]:
    return (row.key.scope, row.key.key, row.fingerprint, row.job_id, micros(row.expires_at))
