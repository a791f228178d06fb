"""Gathers what an explanation needs beside the job, and what freshness is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from parcae.admit import carry_key
from parcae.context import PAYLOAD
from parcae.errors import Reason, Rejected
from parcae.events import CompensationClaimed, Event, Started
from parcae.freshness import Assessment, Policy, assess
from parcae.groups import Group
from parcae.holds import held, hold_key
from parcae.phrases import MOST
from parcae.ports import Named, Query, Store
from parcae.queues import Queue, queue_stream
from parcae.spec import DependencyPolicy
from parcae.state import Job, Pending, Stored
from parcae.timing import expired
from parcae.values import Cause, GroupId, Instant, JobId, Status, StreamId, WorkerId
from parcae.why import Awaited, Explanation, Surroundings, why
from parcae.workers import Presence, heard_since, present, takers

DEEPEST = 8
"""So many jobs that wait for each other are followed."""

SEEN = 100
"""So many leases are looked at, in order to learn which workers live."""


def _lost(history: Iterable[Event]) -> Mapping[WorkerId, Instant]:
    """When whose lease on a job was taken away, because it was not heard of."""
    holder: WorkerId | None = None
    lost: dict[WorkerId, Instant] = {}
    for event in history:
        if isinstance(event, Started | CompensationClaimed):
            holder = event.worker
        elif holder is not None and getattr(event, "cause", None) is Cause.LEASE_LOST:
            lost[holder] = event.at
    return lost


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
        # Both matter to ended jobs alone.
        ended = job.status.is_terminal
        taken_up_by, on_hold = await self._keys(job_id, now) if ended else (None, False)
        lane = job.spec.lane
        history = await self.store.history(job_id)
        lost = _lost(one.event for one in history)
        register = () if ended else heard_since(await self.store.workers(), lost)
        around = Surroundings(
            queue=standing.queue,
            standing=standing,
            awaited=await self._awaited(job),
            group=None if job.spec.group is None else await self._group(job.spec.group.group_id),
            workers=None if ended else await self.workers(job.spec.kind, lane.queue, now, register),
            present=present(register, now),
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
        takers = await self._takers(jobs, now)
        return tuple(
            assess(
                one.job,
                one.liveness,
                now,
                Policy(
                    queue=queues.get(one.job.spec.lane.queue),
                    workers=takers.get((one.job.spec.kind, one.job.spec.lane.queue)),
                ),
            )
            for one in jobs
        )

    async def _takers(
        self, jobs: Sequence[Stored], now: Instant
    ) -> Mapping[tuple[str, str], frozenset[WorkerId] | None]:
        """Who is there for the kinds and queues of those jobs that wait for somebody."""
        waiting = {
            (one.job.spec.kind, one.job.spec.lane.queue)
            for one in jobs
            if not one.job.status.is_terminal and one.job.lease is None
        }
        register = await self.store.workers() if waiting else ()
        return {
            (kind, queue): await self.workers(kind, queue, now, register)
            for kind, queue in sorted(waiting)
        }

    async def workers(
        self, kind: str, queue: str, now: Instant, register: Sequence[Presence] | None = None
    ) -> frozenset[WorkerId] | None:
        """The workers that are there and take jobs of ``kind`` from ``queue``.

        By what they have written down, or by a lease on such a job that holds: whoever holds one
        need not be in the register. ``None``: nobody can tell, for a clock is off.

        Args:
            kind: of jobs.
            queue: from which they would take them.
            now: the present instant.
            register: who is written down; by default it is read.
        """
        known = await self.store.workers() if register is None else register
        statuses = frozenset({Status.RUNNING, Status.COMPENSATING})
        page = await self.store.find(Query(kinds=frozenset({kind}), statuses=statuses, limit=SEEN))
        written = {one.id for one in known}
        alive = frozenset(
            one.job.lease.worker
            for one in page.jobs
            if one.job.lease is not None
            and one.job.lease.worker not in written
            and not expired(one.liveness, now)
        )
        able = takers(known, kind, queue, now)
        return alive | able if able is not None else alive or None

    async def _keys(self, job_id: JobId, now: Instant) -> tuple[JobId | None, bool]:
        """Who has taken the job up, and whether it is under a legal hold."""
        carried = carry_key(job_id)
        view = await self.store.look(Named(keys=(carried, hold_key(job_id))))
        row = view.keys.get(carried)
        return None if row is None else row.job_id, held(view.keys, job_id, now) is not None

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
