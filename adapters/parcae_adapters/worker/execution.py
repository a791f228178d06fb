"""One leased job in the hands of this worker: its phases or undos, one after the other.

It reports what happened and obeys the answers; what follows from them the kernel has decided.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, TypeVar

from parcae.answers import Granted
from parcae.commands import Progress
from parcae.context import PAYLOAD, Context, Stopped, idempotency_key, result_name
from parcae.definitions import Jobs
from parcae.deploys import DeployEngine, Fate, changed
from parcae.employer import Employer
from parcae.errors import LeaseLost, Reason, Rejected, Unavailable
from parcae.handlers import (
    Handler,
    Phase,
    arguments,
    error_of,
    result_blob,
    undo_arguments,
)
from parcae.shapes import Verdict
from parcae.state import Compensating, PhaseStatus, Undo, UndoStatus
from parcae.values import Blob, Status
from parcae.worker_engine import WorkerEngine
from parcae_adapters.logs import in_hand
from parcae_adapters.worker.calls import Call, Called, CutOff, Done, Raised
from parcae_adapters.worker.isolated import IsolatedCall

T = TypeVar("T")
Prepared = tuple[Handler, dict[str, Any]]
log = logging.getLogger("parcae.worker")

LONGEST_PAUSE = 2.0
"""Seconds between two repeats of a call that the store could not answer."""


class Stop(IntEnum):
    """Why a handler is asked to stop; a greater reason replaces a lesser one."""

    DRAIN = 1
    CANCEL = 2
    EXPIRED = 3
    LOST = 4


class Execution:
    """Runs one granted job to where the lease ends."""

    def __init__(self, engine: Employer, jobs: Jobs, granted: Granted) -> None:
        self.job = granted.job
        self.job_id = granted.job.id
        self.token = granted.lease.token
        self.expires_at = granted.expires_at
        self.progress: Progress | None = None
        self._engine = engine
        self._granted = granted
        self._jobs = jobs
        self._blobs: dict[str, bytes] = {}
        self._parents: Mapping[str, bytes] = {}
        self._call: Called | None = None
        self._stop: Stop | None = None
        self._unfit = False
        self._loop = asyncio.get_running_loop()

    @property
    def unfit(self) -> bool:
        """Whether it turned out that this worker is not to run this job."""
        return self._unfit

    @property
    def stop(self) -> Stop | None:
        """Why it should stop; ``None``: it should not."""
        return self._stop

    def interrupt(self, why: Stop) -> None:
        """Ask the handler to stop; from any thread."""
        if self._stop is None or why > self._stop:
            self._stop = why
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._cancel_call)

    def _cancel_call(self) -> None:
        if self._call is not None:
            self._call.cancel()

    async def run(self) -> None:
        """Work until the job has ended, or somebody else is to go on with it."""
        with self.in_hand():
            await self._work()

    def in_hand(self) -> AbstractContextManager[None]:
        """What is logged within the block is about this job."""
        return in_hand(job_id=self.job_id, attempt=self.job.attempt, token=self.token)

    async def _work(self) -> None:
        try:
            if not await self._fits():
                return
            await self._load()
            if isinstance(self.job.state, Compensating):
                await self._undo_all(self.job.state)
            else:
                await self._run_all()
        except LeaseLost as lost:
            log.warning("job %s token %d: %s", self.job_id, self.token, lost)
        except Rejected as refused:
            log.warning("job %s token %d left alone: %s", self.job_id, self.token, refused)
        except Unavailable as error:
            log.error("job %s token %d given up: %s", self.job_id, self.token, error)

    async def _fits(self) -> bool:
        """Whether this code is to run a job of this shape; otherwise it is given back at once.

        Nothing of it has begun under this lease, so nothing is cut off, and no attempt is burned
        up to the bound of releases (rule 14 of the lifecycle).
        """
        engine, job_id, token = self._engine, self.job_id, self.token
        saga = self._jobs[self.job.spec.kind]
        found = saga.fit(self.job)
        if found.verdict is Verdict.RUN:
            return True
        if found.verdict is Verdict.MIGRATE and isinstance(engine, WorkerEngine):
            return await self._migrate(engine)
        self._unfit, why = True, str(found)
        log.error("job %s token %d is given back: %s", job_id, token, why)
        await self._insist(lambda: engine.release(job_id, token, why))
        if found.verdict is Verdict.QUARANTINE and isinstance(engine, WorkerEngine):
            deploys, by = DeployEngine(engine.store), self._granted.lease.worker
            fate = await self._insist(
                lambda: deploys.put_aside(job_id, changed(saga, self.job), by)
            )
            log.error("job %s is of a definition that has changed: %s", job_id, fate)
        return False

    async def _migrate(self, engine: WorkerEngine) -> bool:
        """Give the job back, for nobody may hold it meanwhile; it is granted again afterwards."""
        job_id, token, saga = self.job_id, self.token, self._jobs[self.job.spec.kind]
        version = self.job.spec.definition
        why = f"it is of version {version}, and is migrated to {saga.options.version} first"
        await self._insist(lambda: engine.release(job_id, token, why))
        deploys, by = DeployEngine(engine.store), self._granted.lease.worker
        fate, what = await self._insist(lambda: deploys.migrate_one(saga, self.job, by))
        log.warning("job %s of version %s: %s: %s", job_id, version, fate, what)
        # Whoever else was quicker has done it; what turned out to be impossible is not tried again.
        self._unfit = fate is Fate.UNFIT
        return False

    async def _load(self) -> None:
        handed = await self._insist(lambda: self._engine.handed(self._granted))
        self._blobs.update(handed.blobs)
        self._parents = handed.parents

    async def _run_all(self) -> None:
        for spec, phase in zip(self.job.spec.phases, self.job.phases, strict=True):
            if phase.status is PhaseStatus.COMPLETED:
                continue
            if self._stop is not None:
                return await self._report_stop()
            if not await self._run(spec.name):
                return None
        return None

    async def _run(self, name: str) -> bool:
        """Run one phase; whether the job is still ours to go on with."""
        engine, job_id, token = self._engine, self.job_id, self.token
        try:
            await self._insist(lambda: engine.start_phase(job_id, token, name))
        except Rejected as refused:
            if refused.reason is not Reason.CANCEL_REQUESTED:
                raise
            await self._insist(lambda: engine.confirm_cancel(job_id, token))
            return False
        match await self._called(name, self._prepared):
            case Done(value):
                return await self._report(name, value)
            case Raised(error):
                await self._insist(lambda: engine.fail(job_id, token, error))
            case CutOff():
                await self._report_stop()
        return False

    async def _report(self, name: str, value: object) -> bool:
        engine, job_id, token = self._engine, self.job_id, self.token
        try:
            result = self._result(name, value)
            accepted = await self._insist(
                lambda: engine.complete_phase(job_id, token, name, result)
            )
        except (TypeError, Rejected) as error:
            too_large = isinstance(error, Rejected) and error.reason is Reason.TOO_LARGE
            if isinstance(error, Rejected) and not too_large:
                raise
            failure = error_of(error)
            await self._insist(lambda: engine.fail(job_id, token, failure))
            return False
        if result is not None:
            self._blobs[result[0].name] = result[1]
        return accepted.status is Status.RUNNING

    @staticmethod
    def _result(name: str, value: object) -> tuple[Blob, bytes] | None:
        return None if value is None else result_blob(name, value)

    async def _undo_all(self, state: Compensating) -> None:
        for undo in state.undos:
            if undo.status is UndoStatus.DONE:
                continue
            if self._stop is not None:
                return await self._report_stop()
            if not await self._undo(undo, overlap=state.overlap):
                return None
        return None

    async def _undo(self, undo: Undo, *, overlap: bool) -> bool:
        """Undo one phase; whether the job is still ours to go on with."""
        engine, job_id, token, name = self._engine, self.job_id, self.token, undo.phase
        await self._insist(lambda: engine.start_undo(job_id, token, name))
        context = {"undo": True, "unknown": undo.unknown, "overlap": overlap}
        match await self._called(name, self._prepared_undo, **context):
            case Done():
                accepted = await self._insist(lambda: engine.complete_undo(job_id, token, name))
                return accepted.status is Status.COMPENSATING
            case Raised(error):
                await self._insist(lambda: engine.fail_undo(job_id, token, name, error))
            case CutOff():
                await self._report_stop()
        return False

    async def _called(
        self, name: str, prepare: Callable[[Phase[Any]], Prepared], **facts: bool
    ) -> Done | Raised | CutOff:
        try:
            handler, given = prepare(self._definition(name))
            if self._stop is not None:
                # Not begun and then stopped, for a thread cannot be stopped.
                return CutOff()
            self._call = self._begin(handler, self._context(name, **facts), given)
        except (LookupError, TypeError, ValueError) as error:
            return Raised(error_of(error))
        try:
            outcome = await self._call.outcome()
        finally:
            self._call = None
        if isinstance(outcome, CutOff) and self._stop is None:
            return Raised(error_of(Stopped("the handler stopped although nobody asked it to")))
        return outcome

    def _begin(self, handler: Handler, context: Context, given: dict[str, Any]) -> Called:
        isolation = self._jobs[self.job.spec.kind].options.isolate
        if isolation is None:
            return Call(handler, context, given)
        return IsolatedCall(handler, context, given, isolation, self._say)

    def _prepared(self, phase: Phase[Any]) -> Prepared:
        return phase.handler, arguments(phase, self._blobs[PAYLOAD])

    def _prepared_undo(self, phase: Phase[Any]) -> Prepared:
        result = self._blobs.get(result_name(phase.name))
        given = undo_arguments(phase, self._blobs[PAYLOAD], result)
        assert phase.undo_handler is not None
        return phase.undo_handler, given

    async def _report_stop(self) -> None:
        """The handler has stopped, or was not begun: say so, if there is anybody to tell."""
        engine, job_id, token = self._engine, self.job_id, self.token
        forward = not isinstance(self.job.state, Compensating)
        if self._stop is Stop.CANCEL and forward:
            await self._insist(lambda: engine.confirm_cancel(job_id, token))
        elif self._stop is not Stop.LOST:
            await self._insist(lambda: engine.release(job_id, token))

    def _definition(self, name: str) -> Phase[Any]:
        return self._jobs[self.job.spec.kind].handler(name)

    def _context(self, name: str, **facts: bool) -> Context:
        return Context(
            job_id=self.job_id,
            kind=self.job.spec.kind,
            phase=name,
            attempt=self.job.attempt,
            token=self.token,
            idempotency_key=idempotency_key(self.job, name, undo=bool(facts)),
            parents=self._parents,
            results=self._blobs,
            stopping=lambda: self._stop is not None,
            progress=self._say,
            **facts,
        )

    def _say(self, progress: Progress) -> None:
        self.progress = progress

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until the store answers: every command may be repeated (rule 1)."""
        pause = 0.05
        while True:
            try:
                return await ask()
            except Unavailable as error:
                if self._stop is not None and self._stop >= Stop.EXPIRED:
                    raise
                log.warning("job %s: %s; repeating", self.job_id, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
