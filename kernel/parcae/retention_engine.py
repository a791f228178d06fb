"""The use cases of retention: sweep, hold, lift."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from parcae.change import Change, Revision, View
from parcae.holds import hold_key
from parcae.ports import Named, Query, Store
from parcae.retention import Retention, Verdict, hold, lift, past_retention, sweep
from parcae.values import JobId


@frozen(kw_only=True)
class Swept:
    """What one sweep came to.

    Attributes:
        verdicts: what became of each job that was kept for long enough, the newest first.
        looked_at: how many ended jobs were looked at.
        cursor: where the next sweep goes on; empty: all were looked at.
    """

    verdicts: tuple[Verdict, ...] = ()
    looked_at: int = 0
    cursor: str = ""

    @property
    def deleted(self) -> tuple[Verdict, ...]:
        """Those that were deleted."""
        return tuple(one for one in self.verdicts if one.kept is None)

    @property
    def kept(self) -> tuple[Verdict, ...]:
        """Those that were kept all the same."""
        return tuple(one for one in self.verdicts if one.kept is not None)


class RetentionEngine:
    """What can be asked of retention.

    Args:
        store: where the jobs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def sweep(
        self, policy: Retention, limit: int = 100, *, cursor: str = "", dry_run: bool = False
    ) -> Swept:
        """Look at up to ``limit`` ended jobs, and delete those kept for long enough, in one commit.

        Args:
            policy: for how long jobs are kept.
            limit: 1 to 1000.
            cursor: where the sweep before ended.
            dry_run: delete nothing; the verdicts are the same.
        """
        if not policy.statuses:
            return Swept()
        query = Query(statuses=policy.statuses, limit=limit, cursor=cursor)
        page = await self.store.find(query)
        now = self.store.clock.now()
        old = tuple(one.job.id for one in page.jobs if past_retention(one.job, policy, now))
        verdicts = await self._delete(old, policy, dry_run) if old else ()
        return Swept(verdicts=tuple(verdicts), looked_at=len(page.jobs), cursor=page.cursor)

    async def _delete(
        self, ids: tuple[JobId, ...], policy: Retention, dry_run: bool
    ) -> Sequence[Verdict]:
        said: list[Verdict] = []

        def rule(view: View) -> Sequence[Change | Revision]:
            changes, verdicts = sweep(view, ids, policy)
            said[:] = verdicts
            return () if dry_run else changes

        await self.store.transact(Named(ids=ids, keys=tuple(map(hold_key, ids))), rule)
        return said

    async def hold(self, job_id: JobId, *, by: str = "", reason: str = "") -> None:
        """Keep a job, whatever retention says, until :meth:`lift`. Its history is untouched.

        Raises:
            Rejected: there is no such job.
        """
        wanted = Named(ids=(job_id,), keys=(hold_key(job_id),))
        await self.store.transact(wanted, lambda view: (hold(view, job_id, by, reason),))

    async def lift(self, job_id: JobId) -> None:
        """Leave a job to retention again; where there is no hold, nothing happens.

        Raises:
            Rejected: there is no such job.
        """
        wanted = Named(ids=(job_id,), keys=(hold_key(job_id),))
        await self.store.transact(wanted, lambda view: (lift(view, job_id),))
