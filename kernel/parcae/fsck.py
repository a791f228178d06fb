"""Refolds every history and compares it with what the store made of it (S5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import Factory, frozen

from parcae.assess import difference, stray_liveness
from parcae.change import Aggregate, stream_of
from parcae.errors import Corrupt
from parcae.evolve import fold
from parcae.ports import Query, Store
from parcae.state import Stored
from parcae.streams import fold_stream


@frozen(kw_only=True)
class Report:
    """What a check found.

    Attributes:
        jobs: how many were refolded.
        aggregates: how many queues, groups, schedules, subscriptions and deliveries were.
        events: how many events all of them have.
        findings: what is wrong, one sentence each; empty: nothing.
    """

    jobs: int = 0
    aggregates: int = 0
    events: int = 0
    findings: Sequence[str] = Factory(tuple)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


async def fsck(store: Store) -> Report:
    """Refold every history; stops at the first record that cannot be read."""
    tally = _Tally(store)
    try:
        await tally.jobs()
        await tally.aggregates()
        tally.findings += await store.audit()
    except Corrupt as error:
        tally.findings.append(str(error))
    return Report(
        jobs=tally.job_count,
        aggregates=tally.aggregate_count,
        events=tally.event_count,
        findings=tuple(tally.findings),
    )


class _Tally:
    """What was found so far, which counts even where the next record cannot be read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.job_count = self.aggregate_count = self.event_count = 0
        self.findings: list[str] = []

    async def jobs(self) -> None:
        cursor = ""
        while True:
            page = await self.store.find(Query(limit=500, cursor=cursor))
            for stored in page.jobs:
                self.job_count += 1
                self._count(*await _check(self.store, stored))
            cursor = page.cursor
            if not cursor:
                return

    async def aggregates(self) -> None:
        after = ""
        while some := await self.store.aggregates(after, 500):
            for one in some:
                after = stream_of(one)
                self.aggregate_count += 1
                self._count(*await _check_aggregate(self.store, one))

    def _count(self, events: int, findings: Iterable[str]) -> None:
        self.event_count += events
        self.findings += findings


async def _check(store: Store, stored: Stored) -> tuple[int, list[str]]:
    job = stored.job
    history = await store.history(job.id)
    # The job may have moved on since its row was read: only what that row knows is compared.
    known = [recorded for recorded in history if recorded.version <= job.version]
    versions = [recorded.version for recorded in known]
    if versions != list(range(1, job.version + 1)) and job.version > 0:
        if not history and await store.fetch(job.id) is None:
            return 0, []  # Retention removed it between the two reads.
        return len(known), [f"job {job.id}: its events have the versions {versions}"]
    try:
        folded = fold(job.id, (recorded.event for recorded in known))
    except Corrupt as error:
        return len(known), [f"job {job.id}: {error}"]
    found = difference(folded, job) or stray_liveness(job, stored.liveness)
    return len(known), [] if found is None else [f"job {job.id}: {found}"]


async def _check_aggregate(store: Store, row: Aggregate) -> tuple[int, list[str]]:
    stream = stream_of(row)
    record = await store.record(stream)
    known = [recorded for recorded in record if recorded.version <= row.version]
    versions = [recorded.version for recorded in known]
    if versions != list(range(1, row.version + 1)):
        return len(known), [f"{stream}: its events have the versions {versions}"]
    try:
        folded = fold_stream(stream, [recorded.event for recorded in known])
    except Corrupt as error:
        return len(known), [f"{stream}: {error}"]
    if folded == row:
        return len(known), []
    return len(known), [f"{stream}: the row is {row!r}, its history folds to {folded!r}"]
