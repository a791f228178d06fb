"""Refolds every history and compares it with what the store made of it (S5)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, frozen

from parcae.assess import difference, stray_liveness
from parcae.errors import Corrupt
from parcae.evolve import fold
from parcae.ports import Query, Store
from parcae.state import Stored


@frozen(kw_only=True)
class Report:
    """What a check found.

    Attributes:
        jobs: how many were refolded.
        events: how many events they have.
        findings: what is wrong, one sentence each; empty: nothing.
    """

    jobs: int = 0
    events: int = 0
    findings: Sequence[str] = Factory(tuple)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


async def fsck(store: Store) -> Report:
    """Refold every history; stops at the first record that cannot be read."""
    jobs = events = 0
    findings: list[str] = []
    cursor = ""
    try:
        while True:
            page = await store.find(Query(limit=500, cursor=cursor))
            for stored in page.jobs:
                count, finding = await _check(store, stored)
                jobs, events = jobs + 1, events + count
                findings += finding
            cursor = page.cursor
            if not cursor:
                break
        findings += await store.audit()
    except Corrupt as error:
        findings.append(str(error))
    return Report(jobs=jobs, events=events, findings=tuple(findings))


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
