"""The use cases: each is one awaited call on the store around a pure rule of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from attrs import frozen

from parcae import admit as rules
from parcae import answers as a
from parcae import commands as c
from parcae.admit import Idempotency
from parcae.change import Change, Key, Revision, View
from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.events import Event
from parcae.expecting import expecting
from parcae.explain_engine import ExplainEngine
from parcae.graphs import tailored
from parcae.group_engine import KEY_TTL, GroupEngine, idempotency
from parcae.payloads import load
from parcae.ports import Named, Page, Query, Recorded
from parcae.queue_engine import QueueEngine
from parcae.retention_engine import RetentionEngine
from parcae.spec import Dependency, RetryMode, Spec, Unique
from parcae.state import Ended, Job, Stored
from parcae.values import Cause, Error, Instant, JobId, Status, Version
from parcae.worker_engine import accepted

R = TypeVar("R")


@frozen(kw_only=True)
class Outcome(Generic[R]):
    """How a job ended.

    Attributes:
        job_id: which one.
        status: one of the five terminal ones.
        cause: why; ``None`` when it completed.
        reconciled: the reconciler established it: the job was lost, it did not fail by itself.
        error: the last that a handler raised.
        result: what the last phase gave; ``None`` unless completed.
    """

    job_id: JobId
    status: Status
    cause: Cause | None = None
    reconciled: bool = False
    error: Error | None = None
    result: R | None = None

    @property
    def completed(self) -> bool:
        """Whether it ended well."""
        return self.status is Status.COMPLETED


class Ends(Protocol):
    """What a handle asks of the engine that has given it: one here, or one on a server."""

    async def wait(
        self,
        job_id: JobId,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - on the store's clock, not the loop's
        *,
        returns: Any = Any,
    ) -> Outcome[Any]:
        """Wait until a job has ended."""
        ...

    async def cancel(
        self, job_id: JobId, *, by: str = "", reason: str = "", force: bool = False
    ) -> a.CancelAnswer:
        """Ask a job to stop."""
        ...


class Handle(Generic[R]):
    """One submitted job."""

    def __init__(self, engine: Ends, admitted: a.Admitted, returns: Any) -> None:
        self._engine = engine
        self._returns = returns
        self.admitted = admitted
        self.job_id = admitted.job_id

    async def wait(self, timeout: timedelta | None = None) -> Outcome[R]:  # noqa: ASYNC109 - on the store's clock
        """Wait for its end.

        Raises:
            TimeoutError: it has not ended within ``timeout``.
            Rejected: there is no such job any more.
        """
        return await self._engine.wait(self.job_id, timeout, returns=self._returns)

    async def cancel(self, *, by: str = "", reason: str = "") -> a.CancelAnswer:
        """Ask it to stop; see :meth:`Engine.cancel`."""
        return await self._engine.cancel(self.job_id, by=by, reason=reason)


class Engine(GroupEngine, QueueEngine, ExplainEngine, RetentionEngine):
    """What an application or an operator can ask for, besides what a worker can.

    Args:
        store: where the jobs are; it has the clock and the chance that all of this needs.
    """

    async def __aenter__(self) -> Self:
        """The engine itself; its store is closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.store.close()

    async def submit(
        self,
        request: Request[R],
        *,
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
        key: str | None = None,
        priority: int | None = None,
        run_at: Instant | None = None,
        deadline: Instant | None = None,
        after: Sequence[JobId | Dependency] = (),
        unique: Unique | None = None,
    ) -> Handle[R]:
        """Admit a job: once this returns, it will end.

        Args:
            request: from calling a definition.
            idempotency_key: a repeated submission with the same key gives the same job.
            key_ttl: for how long that key is remembered.
            key: the lane within the queue (a tenant, a host).
            priority: in place of the definition's.
            run_at: not before.
            deadline: no forward work from then on.
            after: the jobs and groups that must end first; with a policy as
                :class:`~parcae.spec.Dependency`.
            unique: a constraint, in place of the definition's: the handle may then be of the job
                that stands for it already.

        Raises:
            Rejected: too large, the key came with another body before, or a job that it depends
                on is not there.
            ValueError: an instant is naive or out of range.
        """
        asked = tailored(
            request,
            key=key,
            priority=priority,
            run_at=run_at,
            deadline=deadline,
            dependencies=(*request.spec.dependencies, *map(_dependency, after)),
            unique=request.spec.unique if unique is None else unique,
        )
        spec, keyed = asked.spec, idempotency(idempotency_key, key_ttl)
        parents = tuple(one.parent for one in spec.dependencies)
        admitted = await self._admit(
            Named(ids=parents, keys=_keys(keyed, spec), queues=(spec.lane.queue,)),
            lambda view: rules.submit(view, spec, asked.payload, keyed),
        )
        return Handle(self, admitted, asked.returns)

    async def retry(
        self,
        origin: JobId,
        mode: RetryMode = RetryMode.RESUME,
        *,
        settled: Sequence[str] = (),
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
        expected: Collection[Version] | None = None,
    ) -> Handle[Any]:
        """Admit a new job that takes up an ended one, which is not touched (rule 5).

        Args:
            origin: the ended job.
            mode: from its start; from where it got; or what it still owes undone.
            settled: with mode ``undo``: phases that a person has settled by hand.
            idempotency_key: a repeated retry with the same key gives the same job.
            key_ttl: for how long that key is remembered.
            expected: the versions at which the origin may be; ``None``: at any.

        Raises:
            Rejected: it has not ended, has nothing of the kind, or was taken up already.
            Conflict: it is at another version.
            ValueError: there is no such mode.
        """
        mode = RetryMode(mode)
        keyed = idempotency(idempotency_key, key_ttl)
        keys = (*_keys(keyed), rules.carry_key(origin))
        rule = expecting(
            lambda view: (rules.retry(view, origin, mode, tuple(settled), keyed),),
            origin,
            expected,
        )
        admitted = await self._admit(Named(ids=(origin,), keys=keys, blobs=True), rule)
        return Handle(self, admitted, Any)

    async def cancel(
        self,
        job_id: JobId,
        *,
        by: str = "",
        reason: str = "",
        force: bool = False,
        expected: Collection[Version] | None = None,
    ) -> a.CancelAnswer:
        """Ask a job to stop, and be told the truth about it.

        Args:
            job_id: which one.
            by: who asks.
            reason: why.
            force: fence its handler off now, though it may be alive.
            expected: the versions at which the job may be; ``None``: at any.

        Raises:
            Rejected: there is no such job.
            Conflict: it is at another version.
        """
        command = c.Cancel(by=by, reason=reason, force=force)
        answer = await self.command(job_id, command, expected=expected)
        assert isinstance(answer, a.CancelAnswer)
        return answer

    async def annotate(
        self,
        job_id: JobId,
        note: str,
        *,
        by: str = "",
        expected: Collection[Version] | None = None,
    ) -> a.Accepted:
        """Add a note to a job's record.

        Raises:
            Rejected: there is no such job.
            Conflict: it is at another version than those that are ``expected``.
        """
        command = c.Annotate(by=by, note=note)
        return accepted(await self.command(job_id, command, expected=expected))

    async def delete(
        self,
        job_id: JobId,
        retention: timedelta = timedelta(0),
        *,
        expected: Collection[Version] | None = None,
    ) -> a.Deletion:
        """Remove a job that ended ``retention`` ago or earlier.

        Raises:
            Rejected: there is none, it has not ended, or it is still retained.
            Conflict: it is at another version than those that are ``expected``.
        """
        answer = await self.command(job_id, c.Delete(retention=retention), expected=expected)
        assert isinstance(answer, a.Deletion)
        return answer

    async def wait(
        self,
        job_id: JobId,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - on the store's clock, not the loop's
        *,
        returns: Any = Any,
    ) -> Outcome[Any]:
        """Wait until a job has ended; see :meth:`Handle.wait`."""
        until = None if timeout is None else self.store.clock.now() + timeout
        while True:
            mark = self.store.mark()
            job = await self.show(job_id)
            if isinstance(job.state, Ended):
                return await self.outcome(job, returns)
            if until is not None and until <= self.store.clock.now():
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout}")
            await self.store.wait(mark, until, job_id)

    async def outcome(self, job: Job, returns: Any = Any) -> Outcome[Any]:
        """How an ended job ended."""
        state = job.state
        assert isinstance(state, Ended)
        result = None
        if state.status is Status.COMPLETED:
            kept = job.phases[-1].result
            found = {} if kept is None else await self.store.blobs(job.id, (kept.name,))
            result = load(found[kept.name], returns) if kept and kept.name in found else None
        return Outcome(
            job_id=job.id,
            status=state.status,
            cause=state.cause,
            reconciled=state.reconciled,
            error=job.error,
            result=result,
        )

    async def show(self, job_id: JobId) -> Job:
        """A job as it is now.

        Raises:
            Rejected: there is none.
        """
        stored = await self.store.fetch(job_id)
        if stored is None:
            stored = await self._handed_in(job_id)
        if stored is None:
            raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="show")
        return stored.job

    async def _handed_in(self, job_id: JobId) -> Stored | None:
        """A job that came in a transaction of its host's is admitted by the next one of ours."""
        await self.store.transact(Named(), lambda _: ())
        return await self.store.fetch(job_id)

    async def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        return await self.store.find(query)

    async def history(self, job_id: JobId) -> Sequence[Recorded[Event]]:
        """Everything that happened to a job, in order."""
        return await self.store.history(job_id)

    async def _admit(
        self, selection: Named, rule: Callable[[View], Sequence[Change | Revision]]
    ) -> a.Admitted:
        committed = await self.store.transact(selection, rule)
        await self.follow(committed)
        answer = committed.changes[0].answer
        assert isinstance(answer, a.Admitted)
        return answer


def _dependency(after: JobId | Dependency) -> Dependency:
    return after if isinstance(after, Dependency) else Dependency(parent=after)


def _keys(keyed: Idempotency | None, spec: Spec | None = None) -> tuple[Key, ...]:
    keys = () if keyed is None else (keyed.key,)
    if spec is None or spec.unique is None:
        return keys
    return (*keys, rules.unique_key(rules.named(spec).name))
