"""What a memory store keeps, and the indexes by which it finds it again. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from attrs import frozen

from parcae.admission import order
from parcae.assess import stray_liveness
from parcae.change import Change, Key, KeyRow
from parcae.effects import Offer
from parcae.errors import Conflict, Reason
from parcae.events import Deleted
from parcae.ports import Claimable, Query, Recorded
from parcae.saga import resume
from parcae.state import Stored
from parcae.values import Instant, JobId, Place, Position, Version
from parcae_adapters.contract import owed, turn


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
        self.histories: dict[JobId, list[Recorded]] = {}
        self.place = Place(1)
        self._blobs: dict[JobId, dict[str, bytes]] = {}
        # The event at position p stands at index p - 1; ``None`` once it was deleted.
        self._log: list[Recorded | None] = []
        self._ids: list[JobId] = []
        self._offers: list[tuple[tuple[bool, int, int], JobId]] = []
        self._reminders: list[tuple[Instant, JobId]] = []
        self._held: defaultdict[tuple[str, str], set[JobId]] = defaultdict(set)

    @property
    def position(self) -> Position:
        """The head of the log."""
        return Position(len(self._log))

    def stored(self, job_id: JobId) -> Stored | None:
        """One job."""
        row = self.rows.get(job_id)
        return None if row is None else row.stored

    def blobs(self, job_id: JobId) -> dict[str, bytes]:
        """A copy of what is kept beside a job, by name."""
        return dict(self._blobs.get(job_id, {}))

    def log(self, after: Position) -> Iterator[Recorded]:
        """All events past ``after`` that are not deleted, in order."""
        return (one for one in islice(self._log, max(after, 0), None) if one is not None)

    def claimable(self, wanted: Claimable, now: Instant) -> Iterator[JobId]:
        """What this very request holds already, then what is offered to it."""
        held = self._held.get((wanted.worker, wanted.request), set())
        yield from sorted(held, key=lambda one: turn(self.rows[one].stored.job))
        offered = (one for _, one in self._offers if self._fits(one, wanted, now))
        yield from islice(offered, wanted.limit)

    def _fits(self, job_id: JobId, wanted: Claimable, now: Instant) -> bool:
        offer = self.rows[job_id].offer
        if offer is None or offer.at > now or (offer.until is not None and offer.until <= now):
            return False
        served = wanted.queues is None or offer.lane.queue in wanted.queues
        return served and offer.kind in wanted.kinds

    def overdue(self, now: Instant) -> Iterator[JobId]:
        """Jobs that are due, the longest overdue first."""
        return (job_id for at, job_id in self._reminders if at <= now)

    def instants(self) -> Iterator[Instant]:
        """When jobs are offered, and when they fall due."""
        offers = (self.rows[job_id].offer for _, job_id in self._offers)
        yield from (offer.at for offer in offers if offer is not None)
        yield from (at for at, _ in self._reminders)

    def matching(self, query: Query, cursor: str) -> Iterator[Stored]:
        """Jobs that the query names, newest first, from beyond ``cursor``."""
        end = bisect_left(self._ids, cursor) if cursor else len(self._ids)
        for index in range(end - 1, -1, -1):
            stored = self.rows[self._ids[index]].stored
            if _matches(query, stored):
                yield stored

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
        self._unlink(change.job_id)
        history = self.histories.setdefault(change.job_id, [])
        for version, event in enumerate(change.events, change.before + 1):
            recorded = Recorded(
                position=Position(len(self._log) + 1),
                job_id=change.job_id,
                version=Version(version),
                event=event,
            )
            self._log.append(recorded)
            history.append(recorded)
        self.keys.update((row.key, row) for row in change.keys)
        if change.job is None:
            self._forget(change.job_id)
            return
        self.place = max(self.place, Place(change.job.place + 1))
        if change.blobs:
            kept = self._blobs.setdefault(change.job_id, {})
            kept.update((blob.name, bytes(data)) for blob, data in change.blobs)
        self._link(Row(Stored(job=change.job, liveness=change.liveness), *owed(change.effects)))

    def _link(self, row: Row) -> None:
        job = row.stored.job
        self.rows[job.id] = row
        insort(self._ids, job.id)
        if row.offer is not None:
            insort(self._offers, (order(row.offer), job.id))
        if row.remind is not None:
            insort(self._reminders, (row.remind, job.id))
        if job.lease is not None:
            self._held[job.lease.worker, job.lease.request].add(job.id)

    def _unlink(self, job_id: JobId) -> None:
        row = self.rows.pop(job_id, None)
        if row is None:
            return
        _remove(self._ids, job_id)
        if row.offer is not None:
            _remove(self._offers, (order(row.offer), job_id))
        if row.remind is not None:
            _remove(self._reminders, (row.remind, job_id))
        lease = row.stored.job.lease
        if lease is not None:
            holder = lease.worker, lease.request
            self._held[holder].discard(job_id)
            if not self._held[holder]:
                del self._held[holder]

    def _forget(self, job_id: JobId) -> None:
        self._blobs.pop(job_id, None)
        kept: list[Recorded] = []
        for one in self.histories[job_id]:
            if isinstance(one.event, Deleted):
                kept.append(one)
            else:
                self._log[one.position - 1] = None
        self.histories[job_id] = kept

    def faults(self) -> Iterator[str]:
        """What does not fit together."""
        for job_id, row in self.rows.items():
            stray = stray_liveness(row.stored.job, row.stored.liveness)
            if stray:
                yield f"job {job_id}: {stray}"
            if owed(resume(row.stored)) != (row.offer, row.remind):
                yield f"job {job_id}: it keeps {row.offer} and {row.remind}, which it does not owe"
            if row.stored.job.place >= self.place:
                yield f"job {job_id}: its place {row.stored.job.place} counts as free"
        for job_id in self._blobs.keys() - self.rows.keys():
            yield f"job {job_id}: blobs without a job"


def _remove(line: list[Any], entry: Any) -> None:
    del line[bisect_left(line, entry)]


def _matches(query: Query, stored: Stored) -> bool:
    job = stored.job
    holder = job.lease.worker if job.lease else None
    return (
        (not query.statuses or job.status in query.statuses)
        and (not query.kinds or job.spec.kind in query.kinds)
        and (not query.queues or job.spec.lane.queue in query.queues)
        and (query.worker is None or holder == query.worker)
    )
