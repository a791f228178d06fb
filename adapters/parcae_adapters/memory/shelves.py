"""What a memory store keeps, and the indexes by which it finds it again. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from attrs import frozen

from parcae.change import AggregateEvent, AnyEvent, Change, Key, KeyRow, Revision
from parcae.effects import Offer
from parcae.errors import Conflict, Reason
from parcae.events import Deleted, Event
from parcae.ports import Claimable, Extent, Page, Query, Recorded
from parcae.queues import Queue
from parcae.state import Ended, Stored
from parcae.values import Blob, Instant, JobId, Place, Position, Status, StreamId, Version
from parcae_adapters.contract import ending_cursor, ending_place, owed, turn
from parcae_adapters.memory.edges import Edges
from parcae_adapters.memory.lines import Lines
from parcae_adapters.memory.sorted import remove
from parcae_adapters.memory.streams import Streams

E = TypeVar("E", Event, AggregateEvent)
RATES = ("rate", "rate by key")
"""The scopes of the keys that expire when something may start again."""


@frozen
class Row:
    """One job, and what its state owes: when it is offered, when it falls due."""

    stored: Stored
    offer: Offer | None
    remind: Instant | None


class Shelves:
    """Jobs, events, keys and blobs, sorted by whatever anybody looks for."""

    def __init__(self) -> None:
        self.rows: dict[JobId, Row] = {}
        self.keys: dict[Key, KeyRow] = {}
        self.place = Place(1)
        self.edges = Edges()
        self.streams = Streams()
        self.lines = Lines(self.streams.queues, self.keys)
        self.histories: dict[JobId, list[Recorded[Event]]] = {}
        self._records: dict[StreamId, list[Recorded[AggregateEvent]]] = {}
        self._blobs: dict[JobId, dict[str, bytes]] = {}
        # The event at position p stands at index p - 1; ``None`` once it was deleted.
        self._log: list[Recorded[AnyEvent] | None] = []
        self._whole = Position(0)
        self._ids: list[JobId] = []
        self._reminders: list[tuple[Instant, JobId]] = []
        self._ends: defaultdict[Status, list[tuple[Instant, JobId]]] = defaultdict(list)
        self._held: defaultdict[tuple[str, str], set[JobId]] = defaultdict(set)

    @property
    def position(self) -> Position:
        """The head of the log."""
        return Position(len(self._log))

    def stored(self, job_id: JobId) -> Stored | None:
        """One job."""
        row = self.rows.get(job_id)
        return None if row is None else row.stored

    def reached(self, stream: StreamId) -> Version:
        """How many events a queue, a group or a schedule has."""
        record = self._records.get(stream)
        return record[-1].version if record else Version(0)

    def history(self, job_id: JobId) -> Sequence[Recorded[Event]]:
        """The events of a job; of a deleted one its ``Deleted`` alone."""
        return self.histories.get(job_id, ())

    def record(self, stream: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """The events of a queue, a group or a schedule."""
        return tuple(self._records.get(stream, ()))

    def blobs(self, job_id: JobId) -> dict[str, bytes]:
        """A copy of what is kept beside a job, by name."""
        return dict(self._blobs.get(job_id, {}))

    def log(self, after: Position) -> Iterator[Recorded[AnyEvent]]:
        """All events past ``after`` that are not deleted, in order."""
        return (one for one in islice(self._log, max(after, 0), None) if one is not None)

    def extent(self) -> Extent:
        """Where the log ends, and up to where events may be missing."""
        return Extent(whole=self._whole, head=self.position)

    def claimable(self, wanted: Claimable, now: Instant) -> Iterator[JobId]:
        """What this very request holds already, then what is offered to it."""
        held = self._held.get((wanted.worker, wanted.request), set())
        yield from sorted(held, key=lambda one: turn(self.rows[one].stored.job))
        yield from self.lines.chosen(wanted, now)

    def overdue(self, now: Instant) -> Iterator[JobId]:
        """Jobs that are due, the longest overdue first."""
        return (job_id for at, job_id in self._reminders if at <= now)

    def instants(self) -> Iterator[Instant]:
        """When jobs are offered or fall due, others are to be looked at, or a rate is over."""
        yield from (offer.at for offer in self.lines.offers())
        yield from (at for at, _ in self._reminders)
        yield from self.streams.instants()
        rates = (row for row in self.keys.values() if row.key.scope in RATES)
        yield from (row.expires_at for row in rates if row.expires_at is not None)

    def matching(self, query: Query, cursor: str) -> Iterator[Stored]:
        """Jobs that the query names, newest first, from beyond ``cursor``."""
        end = bisect_left(self._ids, cursor) if cursor else len(self._ids)
        for index in range(end - 1, -1, -1):
            stored = self.rows[self._ids[index]].stored
            if _matches(query, stored):
                yield stored

    def ended(self, status: Status, until: Instant, cursor: str, limit: int) -> Page:
        """Jobs that ended so by ``until``, the first to end first, from beyond ``cursor``."""
        after = ending_place(cursor)
        line = [(at, name) for at, name in self._ends[status] if at <= until]
        if after is not None:
            line = [one for one in line if one > after]
        found = line[:limit]
        jobs = tuple(self.rows[name].stored for _, name in found)
        return Page(jobs=jobs, cursor=ending_cursor(*found[-1]) if len(line) > limit else "")

    def expire(self, scopes: Collection[str], before: Instant, limit: int) -> int:
        """Forget keys of these scopes that were over before, the first to expire first."""
        over = sorted(
            (row.expires_at, key.scope, key.key)
            for key, row in self.keys.items()
            if key.scope in scopes and row.expires_at is not None and row.expires_at <= before
        )[:limit]
        for _, scope, name in over:
            del self.keys[Key(scope=scope, key=name)]
        return len(over)

    def refuse_reuse(self, changes: Sequence[Change]) -> None:
        """The name of a deleted job is not given again.

        Raises:
            Conflict: a change does.
        """
        for change in changes:
            if change.before == 0 and change.job_id in self.histories:
                raise Conflict(Reason.MOVED_ON, f"job {change.job_id} was there and is deleted")

    def write(self, change: Change) -> None:
        """Put ``change`` in place of what was there."""
        self._unlink(change.job_id, change)
        history = self.histories.setdefault(change.job_id, [])
        self._append(history, StreamId(change.job_id), change.before, change.events)
        self.keys.update((row.key, row) for row in change.keys)
        if change.job is None:
            self._forget(change.job_id)
            return
        self.place = max(self.place, Place(change.job.place + 1))
        self._keep(change.job_id, change.blobs)
        self._link(Row(Stored(job=change.job, liveness=change.liveness), *owed(change.effects)))

    def revise(self, revision: Revision) -> None:
        """Put ``revision`` in place of what was there."""
        record = self._records.setdefault(revision.stream, [])
        self._append(record, revision.stream, revision.before, revision.events)
        self.keys.update((row.key, row) for row in revision.keys)
        self._keep(JobId(revision.stream), revision.blobs, revision.dropped)
        self.streams.write(revision)
        if revision.after is None:
            self._forget_record(revision.stream)
        if isinstance(revision.after, Queue):
            self.lines.reorder(revision.after.name)

    def _keep(
        self,
        owner: JobId,
        blobs: Sequence[tuple[Blob, bytes]],
        dropped: Sequence[str] = (),
    ) -> None:
        """Bytes beside a job, a delivery or a subscription."""
        if not blobs and not dropped:
            return
        kept = self._blobs.setdefault(owner, {})
        kept.update((blob.name, bytes(data)) for blob, data in blobs)
        for name in dropped:
            kept.pop(name, None)
        if not kept:
            del self._blobs[owner]

    def _append(
        self, history: list[Recorded[E]], stream: StreamId, before: Version, events: Sequence[E]
    ) -> None:
        for version, event in enumerate(events, before + 1):
            position = Position(len(self._log) + 1)
            one = Recorded(position=position, stream=stream, version=Version(version), event=event)
            self._log.append(one)
            history.append(one)

    def _link(self, row: Row) -> None:
        job = row.stored.job
        self.rows[job.id] = row
        insort(self._ids, job.id)
        self.lines.hold(job, 1)
        if row.offer is not None:
            self.lines.offer(job.id, row.offer)
        if row.remind is not None:
            insort(self._reminders, (row.remind, job.id))
        if isinstance(job.state, Ended):
            insort(self._ends[job.status], (job.state.at, job.id))
        if job.lease is not None:
            self._held[job.lease.worker, job.lease.request].add(job.id)

    def _unlink(self, job_id: JobId, change: Change) -> None:
        row = self.rows.pop(job_id, None)
        self.edges.move(None if row is None else row.stored.job, change.job)
        if row is None:
            return
        remove(self._ids, job_id)
        self.lines.hold(row.stored.job, -1)
        if row.offer is not None:
            self.lines.withdraw(job_id, row.offer)
        if row.remind is not None:
            remove(self._reminders, (row.remind, job_id))
        state, lease = row.stored.job.state, row.stored.job.lease
        if isinstance(state, Ended):
            remove(self._ends[state.status], (state.at, job_id))
        if lease is not None:
            holder = lease.worker, lease.request
            self._held[holder].discard(job_id)
            if not self._held[holder]:
                del self._held[holder]

    def _forget(self, job_id: JobId) -> None:
        self._blobs.pop(job_id, None)
        kept: list[Recorded[Event]] = []
        for one in self.histories[job_id]:
            if isinstance(one.event, Deleted):
                kept.append(one)
            else:
                self._log[one.position - 1] = None
                self._whole = max(self._whole, one.position)
        self.histories[job_id] = kept

    def _forget_record(self, stream: StreamId) -> None:
        self._blobs.pop(JobId(stream), None)
        *gone, last = self._records[stream]
        for one in gone:
            self._log[one.position - 1] = None
            if not stream.startswith("delivery/"):
                # Nobody is told of what becomes of deliveries, so nobody misses it.
                self._whole = max(self._whole, one.position)
        self._records[stream] = [last]

    def orphans(self) -> Iterator[JobId]:
        """Who has blobs but is neither a job nor anything else."""
        there = self.streams.aggregate
        return (one for one in self._blobs if one not in self.rows and there(StreamId(one)) is None)


def _matches(query: Query, stored: Stored) -> bool:
    job = stored.job
    holder = job.lease.worker if job.lease else None
    group = job.spec.group.group_id if job.spec.group else None
    return (
        (not query.statuses or job.status in query.statuses)
        and (not query.kinds or job.spec.kind in query.kinds)
        and (not query.queues or job.spec.lane.queue in query.queues)
        and (query.worker is None or holder == query.worker)
        and (query.group is None or group == query.group)
    )
