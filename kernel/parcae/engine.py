"""The use cases: each is one awaited call on the store around a pure rule of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from attrs import evolve as replace
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.change import Change, Key, View
from parcae.context import result_name
from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.handle import Idempotency
from parcae.payloads import load
from parcae.ports import Named, Page, Query, Recorded
from parcae.spec import RetryMode
from parcae.state import Ended, Job
from parcae.values import Cause, Error, Instant, JobId, Lane, Status
from parcae.worker_engine import WorkerEngine, accepted

R = TypeVar("R")

KEY_TTL = timedelta(days=30)
"""How long an idempotency key is remembered."""


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


class Handle(Generic[R]):
    """One submitted job."""

    def __init__(self, engine: Engine, admitted: a.Admitted, returns: Any) -> None:
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


class Engine(WorkerEngine):
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

        Raises:
            Rejected: too large, or the key came with another body before.
            ValueError: an instant is naive or out of range.
        """
        spec = request.spec
        spec = replace(
            spec,
            lane=spec.lane if key is None else Lane(queue=spec.lane.queue, key=key),
            priority=spec.priority if priority is None else priority,
            run_at=run_at,
            deadline=deadline,
        )
        idempotency = _idempotency(idempotency_key, key_ttl)
        admitted = await self._admit(
            Named(keys=_keys(idempotency)),
            lambda view: rules.submit(view, spec, request.payload, idempotency),
        )
        return Handle(self, admitted, request.returns)

    async def retry(
        self,
        origin: JobId,
        mode: RetryMode = RetryMode.RESUME,
        *,
        settled: Sequence[str] = (),
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
    ) -> Handle[Any]:
        """Admit a new job that takes up an ended one, which is not touched (rule 5).

        Args:
            origin: the ended job.
            mode: from its start; from where it got; or what it still owes undone.
            settled: with mode ``undo``: phases that a person has settled by hand.
            idempotency_key: a repeated retry with the same key gives the same job.
            key_ttl: for how long that key is remembered.

        Raises:
            Rejected: it has not ended, has nothing of the kind, or was taken up already.
            ValueError: there is no such mode.
        """
        mode = RetryMode(mode)
        idempotency = _idempotency(idempotency_key, key_ttl)
        keys = (*_keys(idempotency), rules.carry_key(origin))
        admitted = await self._admit(
            Named(ids=(origin,), keys=keys, blobs=True),
            lambda view: rules.retry(view, origin, mode, tuple(settled), idempotency),
        )
        return Handle(self, admitted, Any)

    async def cancel(
        self, job_id: JobId, *, by: str = "", reason: str = "", force: bool = False
    ) -> a.CancelAnswer:
        """Ask a job to stop, and be told the truth about it.

        Args:
            job_id: which one.
            by: who asks.
            reason: why.
            force: fence its handler off now, though it may be alive.

        Raises:
            Rejected: there is no such job.
        """
        answer = await self.command(job_id, c.Cancel(by=by, reason=reason, force=force))
        assert isinstance(answer, a.CancelAnswer)
        return answer

    async def annotate(self, job_id: JobId, note: str, *, by: str = "") -> a.Accepted:
        """Add a note to a job's record.

        Raises:
            Rejected: there is no such job.
        """
        return accepted(await self.command(job_id, c.Annotate(by=by, note=note)))

    async def delete(self, job_id: JobId, retention: timedelta = timedelta(0)) -> a.Deletion:
        """Remove a job that ended ``retention`` ago or earlier.

        Raises:
            Rejected: there is none, it has not ended, or it is still retained.
        """
        answer = await self.command(job_id, c.Delete(retention=retention))
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
            name = result_name(job.spec.phases[-1].name)
            found = await self.store.blobs(job.id, (name,))
            result = load(found[name], returns) if name in found else None
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
            raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="show")
        return stored.job

    async def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        return await self.store.find(query)

    async def history(self, job_id: JobId) -> Sequence[Recorded]:
        """Everything that happened to a job, in order."""
        return await self.store.history(job_id)

    async def _admit(self, selection: Named, rule: Callable[[View], Change]) -> a.Admitted:
        committed = await self.store.transact(selection, lambda view: (rule(view),))
        answer = committed.changes[0].answer
        assert isinstance(answer, a.Admitted)
        return answer


def _idempotency(key: str | None, ttl: timedelta) -> Idempotency | None:
    if key is None:
        return None
    if not key or len(key) > 200:
        raise ValueError(f"expected an idempotency key of 1 to 200 characters, got {key!r}")
    return Idempotency(key=Key(scope="submit", key=key), ttl=ttl)


def _keys(idempotency: Idempotency | None) -> tuple[Key, ...]:
    return () if idempotency is None else (idempotency.key,)
