"""Gathers what an explanation needs beside the job, and what freshness is judged by."""

from __future__ import annotations

from collections.abc import Sequence

from parcae.admit import carry_key
from parcae.change import Change, View
from parcae.context import PAYLOAD
from parcae.errors import Reason, Rejected
from parcae.freshness import Assessment, Policy, assess
from parcae.groups import Group
from parcae.holds import held, hold_key
from parcae.phrases import MOST
from parcae.ports import Named, Query, Store
from parcae.queues import Queue, queue_stream
from parcae.spec import DependencyPolicy
from parcae.state import Job, Pending, Stored
from parcae.timing import expired
from parcae.values import GroupId, Instant, JobId, Status, StreamId, WorkerId
from parcae.why import Awaited, Explanation, Surroundings, why

DEEPEST = 8
"""So many jobs that wait for each other are followed."""

SEEN = 100
"""So many leases are looked at, in order to learn which workers live."""


class ExplainEngine:
    """Why a job is where it is, and how far that can be trusted.

    Args:
        store: where the jobs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def why(self, job_id: JobId, *, diagnostics: bool = False) -> Explanation:
        """Explain a job.

        Args:
            job_id: which one.
            diagnostics: also errors with their tracebacks, and the shape of the arguments.

        Raises:
            Rejected: there is no such job.
        """
        standing = await self.store.standing(job_id)
        if standing is None:
            raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="why")
        job, now = standing.stored.job, standing.now
        # Both matter to ended jobs alone, and to read them takes the lock that all writers share.
        ended = job.status.is_terminal
        taken_up_by, on_hold = await self._keys(job_id, now) if ended else (None, False)
        history = await self.store.history(job_id)
        around = Surroundings(
            queue=standing.queue,
            standing=standing,
            awaited=await self._awaited(job),
            group=None if job.spec.group is None else await self._group(job.spec.group.group_id),
            workers=await self.workers(job.spec.kind, now),
            # What has happened since the job was looked at would contradict it.
            history=tuple(one.event for one in history if one.version <= job.version),
            taken_up_by=taken_up_by,
            on_hold=on_hold,
            payload=await self._payload(job_id) if diagnostics else None,
        )
        return why(job, standing.stored.liveness, now, around, diagnostics=diagnostics)

    async def freshness(self, jobs: Sequence[Stored], now: Instant) -> Sequence[Assessment]:
        """How far what is shown of each of these jobs can be trusted, in their order."""
        names = {one.job.spec.lane.queue for one in jobs if not one.job.status.is_terminal}
        queues = {name: await self._queue(name) for name in sorted(names)}
        return tuple(
            assess(
                one.job,
                one.liveness,
                now,
                Policy(queue=queues.get(one.job.spec.lane.queue)),
            )
            for one in jobs
        )

    async def workers(self, kind: str, now: Instant) -> frozenset[WorkerId] | None:
        """The workers that prove, by a lease that holds, that they live and run jobs of ``kind``.

        ``None``: none does. That is no proof that there are none: an idle worker holds no lease.
        """
        statuses = frozenset({Status.RUNNING, Status.COMPENSATING})
        page = await self.store.find(Query(kinds=frozenset({kind}), statuses=statuses, limit=SEEN))
        alive = frozenset(
            one.job.lease.worker
            for one in page.jobs
            if one.job.lease is not None and not expired(one.liveness, now)
        )
        return alive or None

    async def _keys(self, job_id: JobId, now: Instant) -> tuple[JobId | None, bool]:
        """Who has taken the job up, and whether it is under a legal hold."""
        found: list[tuple[JobId | None, bool]] = []
        carried = carry_key(job_id)

        def read(view: View) -> Sequence[Change]:
            row = view.keys.get(carried)
            on_hold = held(view.keys, job_id, now) is not None
            found[:] = [(None if row is None else row.job_id, on_hold)]
            return ()

        await self.store.transact(Named(keys=(carried, hold_key(job_id))), read)
        return found[0]

    async def _awaited(self, job: Job) -> tuple[Awaited, ...]:
        if not isinstance(job.state, Pending):
            return ()
        waits = job.state.unsettled[:MOST]
        return tuple([await self._follow(job, name, DEEPEST) for name in waits])

    async def _follow(self, job: Job, name: JobId, deeper: int) -> Awaited:
        """One that ``job`` waits for, and the first that it waits for itself, and so on."""
        dependency = job.spec.by_parent.get(name)
        policy = DependencyPolicy.CANCEL if dependency is None else dependency.policy
        group = await self._group(GroupId(name)) if name.startswith("group/") else None
        stored = None if group is not None else await self.store.fetch(name)
        awaits = None
        if stored is not None and deeper and isinstance(stored.job.state, Pending):
            first = stored.job.state.unsettled[0]
            awaits = await self._follow(stored.job, first, deeper - 1)
        return Awaited(name=name, policy=policy, stored=stored, group=group, awaits=awaits)

    async def _group(self, group_id: GroupId) -> Group | None:
        found = await self.store.aggregate(StreamId(group_id))
        return found if isinstance(found, Group) else None

    async def _queue(self, name: str) -> Queue | None:
        found = await self.store.aggregate(queue_stream(name))
        return found if isinstance(found, Queue) else None

    async def _payload(self, job_id: JobId) -> bytes | None:
        return (await self.store.blobs(job_id, (PAYLOAD,))).get(PAYLOAD)
