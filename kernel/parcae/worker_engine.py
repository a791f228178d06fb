"""The use cases of a worker: claim, renew, report, reconcile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from parcae import answers as a
from parcae import commands as c
from parcae import grouping
from parcae import handle as rules
from parcae.change import Change, View
from parcae.context import PAYLOAD, result_name, results
from parcae.effects import Remind
from parcae.employer import Handed
from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected
from parcae.expecting import expecting
from parcae.groups import Group
from parcae.handle import Held
from parcae.holds import hold_key
from parcae.ports import Claimable, Clock, Committed, Named, Overdue, Query, Restless, Store
from parcae.retention_engine import RetentionEngine
from parcae.state import Job, Running, Stored
from parcae.values import Blob, Error, Instant, JobId, Status, Token, Version, WorkerId
from parcae.workers import Presence

MAX_PARENTS = 1_000
"""Results of dependencies that are handed to a handler."""

NOTHING = b"null"
"""The result of a job that gave none."""


class WorkerEngine:
    """What a worker can ask for: an :class:`parcae.employer.Employer` on a store.

    Args:
        store: where the jobs are; it has the clock and the chance that all of this needs.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def clock(self) -> Clock:
        """The store's clock."""
        return self.store.clock

    def news(self) -> int:
        """How many commits were noticed so far."""
        return self.store.mark()

    async def wait_for_news(self, mark: int) -> int:
        """Return once there were more commits than ``mark``."""
        return await self.store.wait(mark)

    async def next_due(self, after: Instant) -> Instant | None:
        """The next instant past ``after`` at which some job is offered or falls due."""
        return await self.store.next_due(after)

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there."""
        await self.store.enlist(presence)

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out of the register."""
        await self.store.dismiss(worker)

    async def tidy(self, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that are over; see :class:`parcae.RetentionEngine`."""
        return await RetentionEngine(self.store).expire_keys(limit)

    async def reconcile(self, limit: int = 100) -> Sequence[a.Reconciled]:
        """Settle up to ``limit`` jobs for which something has fallen due; see :meth:`resume`."""
        committed = await self.store.transact(Overdue(limit=limit), rules.reconcile)
        await self.follow(committed)
        await self.resume()
        answers = [change.answer for change in committed.changes]
        return tuple(answer for answer in answers if isinstance(answer, a.Reconciled))

    async def resume(self) -> None:
        """Go on with what groups have begun and did not finish, if somebody crashed over it."""
        while True:
            committed = await self.store.transact(Restless(), grouping.advance)
            if not committed.revisions:
                return
            await self.follow(committed)

    async def follow(self, committed: Committed) -> None:
        """Go on at once with what one commit could not hold.

        Whoever dies over it leaves it to :meth:`reconcile`: what is left stands in the store.
        """
        left: set[JobId] = set()
        while True:
            left |= _left(committed)
            if any(isinstance(one.after, Group) and one.remind for one in committed.revisions):
                committed = await self.store.transact(Restless(), grouping.advance)
            elif left:
                parent = left.pop()
                committed = await self.store.transact(Named(ids=(parent,)), rules.reconcile)
            else:
                return

    async def claim(
        self,
        worker: WorkerId,
        kinds: frozenset[str],
        *,
        request: str,
        limit: int = 1,
        queues: frozenset[str] | None = None,
        without: frozenset[JobId] = frozenset(),
    ) -> Sequence[a.Granted]:
        """Take up to ``limit`` jobs, the first in line first.

        Args:
            worker: who asks.
            kinds: what it can run.
            request: a key of this very request: repeated, it grants the same jobs.
            limit: 1 to 1000.
            queues: in these only; ``None``: in all.
            without: none of these, for it cannot run them; see :mod:`parcae.shapes`.
        """
        command = c.Claim(worker=worker, request=request)
        selection = Claimable(
            worker=worker,
            request=request,
            kinds=kinds,
            queues=queues,
            limit=limit,
            without=without,
        )
        committed = await self.store.transact(
            selection,
            lambda view: rules.claim(
                view, command, kinds=kinds, queues=queues, limit=limit, without=without
            ),
        )
        answers = [change.answer for change in committed.changes]
        return tuple(answer for answer in answers if isinstance(answer, a.Granted))

    async def renew(self, held: Sequence[Held]) -> Sequence[a.Renewed | ParcaeError]:
        """Extend many leases in one transaction; each has its own answer or refusal, in order."""
        answers: list[a.Renewed | ParcaeError] = []

        def rule(view: View) -> Sequence[Change]:
            changes, given = rules.renew(view, held)
            answers[:] = given
            return changes

        await self.store.transact(Named(ids=tuple(one.job_id for one in held)), rule)
        return tuple(answers)

    async def start_phase(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin a phase.

        Raises:
            LeaseLost: the lease is not current, or has expired.
            Rejected: not now: a cancel was requested, the attempt timed out, another is next.
        """
        return accepted(await self.command(job_id, c.StartPhase(token=token, phase=phase)))

    async def complete_phase(
        self, job_id: JobId, token: Token, phase: str, result: tuple[Blob, bytes] | None = None
    ) -> a.Accepted:
        """Report that a phase is done; the last one completes the job.

        Raises:
            LeaseLost: somebody else holds the job by now; the result is kept as evidence.
            Rejected: the phase was not started, or the result is too large.
        """
        ref, data = result or (None, None)
        command = c.CompletePhase(token=token, phase=phase, result=ref)
        return accepted(await self.command(job_id, command, data))

    async def fail(self, job_id: JobId, token: Token, error: Error) -> a.Accepted:
        """Report that the handler raised: the answer says whether it is tried again.

        Raises:
            LeaseLost: somebody else holds the job by now; the error is kept as evidence.
        """
        return accepted(await self.command(job_id, c.Fail(token=token, error=error)))

    async def release(self, job_id: JobId, token: Token, lacks: str = "") -> a.Accepted:
        """Give a job back in a shutdown, forward work or an undo.

        Args:
            job_id: the job.
            token: the lease.
            lacks: what this worker lacks to run it, where that is why.

        Raises:
            LeaseLost: somebody else holds the job by now.
        """
        return accepted(await self.command(job_id, c.Release(token=token, lacks=lacks)))

    async def confirm_cancel(self, job_id: JobId, token: Token) -> a.Accepted:
        """Report that the handler has stopped as it was asked to.

        Raises:
            LeaseLost: somebody else holds the job by now.
            Rejected: nobody asked for it.
        """
        return accepted(await self.command(job_id, c.ConfirmCancel(token=token)))

    async def start_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin an undo; refused like :meth:`start_phase`."""
        return accepted(await self.command(job_id, c.StartUndo(token=token, phase=phase)))

    async def complete_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Report that a phase is undone; refused like :meth:`complete_phase`."""
        return accepted(await self.command(job_id, c.CompleteUndo(token=token, phase=phase)))

    async def fail_undo(self, job_id: JobId, token: Token, phase: str, error: Error) -> a.Accepted:
        """Report that an undo raised; refused like :meth:`fail`."""
        command = c.FailUndo(token=token, phase=phase, error=error)
        return accepted(await self.command(job_id, command))

    async def cancels(self, worker: WorkerId) -> Mapping[JobId, Token]:
        """The jobs that ``worker`` runs and somebody wants cancelled, with their leases' tokens."""
        query = Query(worker=worker, statuses=frozenset({Status.RUNNING}), limit=1_000)
        states = ((one.job.id, one.job.state) for one in (await self.store.find(query)).jobs)
        return {
            job_id: state.lease.token
            for job_id, state in states
            if isinstance(state, Running) and state.cancel is not None
        }

    async def handed(self, granted: a.Granted) -> Handed:
        """The payload of a job that was granted, its results so far, and those of its parents."""
        job = granted.job
        kept = results(job)
        found = await self.blobs(job.id, (PAYLOAD, *kept.values()))
        blobs = {result_name(phase): found[name] for phase, name in kept.items() if name in found}
        if PAYLOAD in found:
            blobs[PAYLOAD] = found[PAYLOAD]
        waited = job.spec.dependencies or job.spec.origin is not None
        return Handed(blobs=blobs, parents=await self.parents(job) if waited else {})

    async def inputs(self, job_id: JobId, token: Token) -> Handed:
        """What :meth:`handed` gives, for somebody who has nothing but the lease.

        Raises:
            LeaseLost: it is not current any more.
            Rejected: there is no such job.
        """
        stored = await self.store.fetch(job_id)
        if stored is None:
            raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="inputs")
        job, lease, liveness = stored.job, stored.job.lease, stored.liveness
        if lease is None or liveness is None or lease.token != token:
            raise LeaseLost(Reason.STALE_TOKEN, f"inputs refused: token {token} is not current")
        return await self.handed(a.Granted(job=job, lease=lease, expires_at=liveness.expires_at))

    async def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of a job's payload and results, those that exist."""
        return await self.store.blobs(job_id, names)

    async def parents(self, job: Job) -> Mapping[str, bytes]:
        """The results of the completed jobs that ``job`` has waited for, by name and by id.

        At most ``MAX_PARENTS`` of them: what is more a handler reads for itself. A job that takes
        up another waits for nobody: it finds what that one has waited for, as long as it is there.
        """
        found: dict[str, bytes] = {}
        spec = job.spec
        while spec.origin is not None:
            origin = await self.store.fetch(spec.origin.job_id)
            if origin is None:
                break
            spec = origin.job.spec
        for one in spec.dependencies[:MAX_PARENTS]:
            stored = await self.store.fetch(one.parent)
            if stored is None or stored.job.status is not Status.COMPLETED:
                continue
            kept = stored.job.phases[-1].result
            names = () if kept is None else (kept.name,)
            blobs = await self.store.blobs(one.parent, names)
            result = NOTHING if kept is None else blobs.get(kept.name, NOTHING)
            found[one.parent] = result
            if one.name:
                found[one.name] = result
        return found

    async def stored(self, job_id: JobId) -> Stored | None:
        """A job with its liveness; ``None``: there is none."""
        return await self.store.fetch(job_id)

    async def command(
        self,
        job_id: JobId,
        command: c.Command,
        data: bytes | None = None,
        *,
        expected: Collection[Version] | None = None,
    ) -> a.Answer:
        """Have one command of one job decided, and committed.

        Args:
            job_id: which one.
            command: what is asked.
            data: the bytes of the result that it reports.
            expected: the versions at which the job may be; ``None``: at any.

        Raises:
            Conflict: the job is at another version; nothing was changed.
        """
        keys = (hold_key(job_id),) if isinstance(command, c.Delete) else ()
        rule = expecting(lambda view: rules.obey(view, job_id, command, data), job_id, expected)
        committed = await self.store.transact(Named(ids=(job_id,), keys=keys), rule)
        if len(committed.changes) + len(committed.revisions) > 1 or _left(committed):
            await self.follow(committed)
        return committed.changes[0].answer


def _left(committed: Committed) -> set[JobId]:
    """The ended jobs for which others still wait."""
    return {
        change.job_id
        for change in committed.changes
        if change.job is not None
        and change.job.status.is_terminal
        and any(isinstance(one, Remind) for one in change.effects)
    }


def accepted(answer: a.Answer) -> a.Accepted:
    """The answer to a worker's command; a late result was kept, and is refused only now.

    Raises:
        LeaseLost: somebody else holds the job by now.
    """
    if isinstance(answer, LeaseLost):
        raise answer
    assert isinstance(answer, a.Accepted)
    return answer
