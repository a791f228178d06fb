"""The use cases of retention: sweep, hold, lift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import zip_longest

from attrs import frozen

from parcae.change import Change, Revision, View
from parcae.holds import hold_key
from parcae.ports import Named, Store
from parcae.retention import (
    KEY_SCOPES,
    Retention,
    Verdict,
    hold,
    keys_over_before,
    lift,
    sweep,
)
from parcae.values import JobId, Status


@frozen(kw_only=True)
class Swept:
    """What one sweep came to.

    Attributes:
        verdicts: what became of each job that was kept for long enough, what ended first first.
        looked_at: how many jobs were looked at.
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
        """Look at up to ``limit`` jobs that have ended for long enough, and delete them.

        One outcome after the other, what ended first first, in one commit. Only what was kept for
        long enough is looked at, however many other jobs there are.

        Args:
            policy: for how long jobs are kept.
            limit: 1 to 1000.
            cursor: where the sweep before ended.
            dry_run: delete nothing; the verdicts are the same.
        """
        old, onward = await self._old(policy, limit, cursor)
        verdicts = await self._delete(old, policy, dry_run) if old else ()
        return Swept(verdicts=tuple(verdicts), looked_at=len(old), cursor=onward)

    async def _old(
        self, policy: Retention, limit: int, cursor: str
    ) -> tuple[tuple[JobId, ...], str]:
        """Jobs past retention, one outcome after the other; and where the next ones are."""
        found: list[JobId] = []
        begun, _, place = cursor.partition(" ")
        now, left = self.store.clock.now(), [one for one in sorted(policy.statuses) if one >= begun]
        for status, following in zip_longest(left, left[1:], fillvalue=""):
            duration = policy.of(Status(status)) or timedelta(0)
            after = place if status == begun else ""
            page = await self.store.ended(
                Status(status), now - duration, cursor=after, limit=limit - len(found)
            )
            found += (one.job.id for one in page.jobs)
            if page.cursor or len(found) == limit:
                return tuple(found), f"{status} {page.cursor}" if page.cursor else following
        return tuple(found), ""

    async def expire_keys(self, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that were over a day ago; how many were deleted.

        A key that is not over stays, whatever became of its job (S17).
        """
        before = keys_over_before(self.store.clock.now())
        return await self.store.expire(KEY_SCOPES, before, limit)

    async def _delete(
        self, ids: tuple[JobId, ...], policy: Retention, dry_run: bool
    ) -> Sequence[Verdict]:
        said: list[Verdict] = []

        def rule(view: View) -> Sequence[Change | Revision]:
            changes, verdicts = sweep(view, ids, policy)
            said[:] = verdicts
            return changes

        wanted = Named(ids=ids, keys=tuple(map(hold_key, ids)))
        if dry_run:
            rule(await self.store.look(wanted))
        else:
            await self.store.transact(wanted, rule)
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
