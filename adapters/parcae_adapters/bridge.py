"""For a host that runs its work on a queue of its own, and keeps the truth about it here.

It needs no asyncio: its calls may come from any thread, a task or a signal handler. Nothing that
is reported here makes the host's queue do anything; whatever it never reports is reconciled.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from attrs import evolve as replace

from parcae.answers import Accepted, Admitted, CancelAnswer, Renewed
from parcae.commands import Progress, Renew
from parcae.errors import Conflict, LeaseLost, ParcaeError, Reason, Unavailable
from parcae.handle import Held
from parcae.handlers import error_of, result_blob
from parcae.host_engine import ONCE, PHASE, External, HostEngine
from parcae.payloads import dump
from parcae.state import Job
from parcae.values import Error, Instant, JobId, Token, WorkerId, cut
from parcae_adapters.blocking import BlockingEngine

DEFAULTS = External()
MAX_WORKER = 200


def this_process() -> WorkerId:
    """A name of this very process: the machine's and its number."""
    return WorkerId(cut(f"{socket.gethostname()}#{os.getpid()}", MAX_WORKER))


class Run:
    """One start of a job by the host's queue, under its lease. Report its end once.

    Each report raises ``LeaseLost`` where the job has moved on since, by the reconciler or by
    another start: it is then kept as evidence, and changes nothing.
    """

    def __init__(self, engine: BlockingEngine, job_id: JobId, token: Token, job: Job) -> None:
        self._engine = engine
        self._host = HostEngine(engine.engine.store)
        self.job_id = job_id
        self.token = token
        self.interval = job.spec.timing.renewal

    def heartbeat(self, progress: Progress | None = None) -> bool:
        """Say that it is alive; whether somebody has asked it to stop.

        Raises:
            LeaseLost: it does not hold the job any more, or its time is over.
            Unavailable: the store could not answer.
        """
        command = Renew(token=self.token, progress=progress)
        held = (Held(job_id=self.job_id, command=command),)
        (answer,) = self._engine.run(self._host.renew(held))
        if isinstance(answer, Renewed):
            return answer.cancel_requested
        if isinstance(answer, Conflict):  # A clock went back: the lease is longer than asked for.
            return False
        raise answer

    def succeeded(self, result: object = None) -> Accepted:
        """Report that it is done.

        Raises:
            LeaseLost: see above.
            TypeError: JSON cannot hold the result.
            Rejected: the result is too large.
        """
        kept = result_blob(PHASE, result)
        return self._engine.run(self._host.complete_phase(self.job_id, self.token, PHASE, kept))

    def failed(
        self, error: Error, *, final: bool = False, retry_at: Instant | None = None
    ) -> Accepted:
        """Report that it raised.

        Args:
            error: what; see :func:`parcae.handlers.error_of`.
            final: the host's queue has no retry left for it.
            retry_at: when that queue tries again.

        Raises:
            LeaseLost: see above.
        """
        return self._engine.run(
            self._host.fail_external(self.job_id, self.token, error, final=final, retry_at=retry_at)
        )

    def stopped(self) -> Accepted:
        """Report that it has stopped because somebody asked it to.

        Raises:
            LeaseLost: see above.
            Rejected: nobody has asked.
        """
        return self._engine.run(self._host.confirm_cancel(self.job_id, self.token))

    def released(self) -> Accepted:
        """Report that the host's queue has taken it back, and will start it again.

        Raises:
            LeaseLost: see above.
        """
        return self._engine.run(self._host.release(self.job_id, self.token))

    @contextmanager
    def kept_alive(self, on_lost: Callable[[LeaseLost], None] | None = None) -> Iterator[None]:
        """Heartbeats from a thread, for as long as the block runs."""
        over = threading.Event()
        thread = threading.Thread(
            target=self._beat, args=(over, on_lost), daemon=True, name="parcae-bridge"
        )
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event, on_lost: Callable[[LeaseLost], None] | None) -> None:
        while not over.wait(self.interval.total_seconds()):
            try:
                self.heartbeat()
            except LeaseLost as lost:
                if on_lost is not None:
                    on_lost(lost)
                return
            except Unavailable:
                continue  # The lease lasts for several intervals.
            except ParcaeError:
                return  # The job is gone: its end will be refused, and say why.


class Bridge:
    """What a host's own queue reports.

    Args:
        engine: where the jobs are.
        worker: who runs them here; by default a name of this process.
        jobs: what they have in common.
    """

    def __init__(
        self, engine: BlockingEngine, *, worker: str | None = None, jobs: External = DEFAULTS
    ) -> None:
        self._engine = engine
        self._host = HostEngine(engine.engine.store)
        self._worker = this_process() if worker is None else WorkerId(worker)
        self._jobs = jobs

    def submitted(
        self,
        external_id: str,
        kind: str,
        payload: object = None,
        *,
        run_at: Instant | None = None,
        attempt: timedelta | None = None,
    ) -> Admitted:
        """Admit the job that the host's queue knows as ``external_id``; repeated, it is one job.

        Args:
            external_id: its name there.
            kind: what it is: a name that no worker of ours serves.
            payload: shown with the job, where JSON can hold it; nothing is run with it.
            run_at: not before.
            attempt: its own hard timeout, in place of that of all jobs.

        Raises:
            Rejected: too large, or the name came with another kind or payload before.
            TypeError: JSON cannot hold the payload.
            ValueError: a name or an instant is not lawful.
        """
        data = dump(payload)
        spec = self._jobs.spec(kind, data, run_at=run_at, attempt=attempt)
        admitted = self._host.admit_external(external_id, spec, data, self._jobs.ttl)
        return self._engine.run(admitted)

    def job(self, external_id: str) -> Job:
        """The job as it is now.

        Raises:
            Rejected: there is none of that name.
        """
        return self._engine.run(self._host.external(external_id)).job

    def started(self, external_id: str) -> Run:
        """Report that it runs, here and now.

        Raises:
            Rejected: it may not: there is none, it has ended, somebody holds it, it is not due, or
                its queue is paused or full.
        """
        job_id, request = self.job(external_id).id, uuid.uuid4().hex
        granted = self._engine.run(self._host.claim_named(job_id, self._worker, request=request))
        token = granted.lease.token
        self._engine.run(self._host.start_phase(job_id, token, PHASE))
        return Run(self._engine, job_id, token, granted.job)

    def held(self, external_id: str, holder: Callable[[str], bool]) -> Run | None:
        """The start of it that is on record, if its worker is one that ``holder`` knows.

        For whoever reports of a process that can report no more: what has moved on since fences
        the report off.
        """
        job = self.job(external_id)
        if job.lease is None or not holder(job.lease.worker):
            return None
        return Run(self._engine, job.id, job.lease.token, job)

    def queue_failed(
        self, external_id: str, error: Error, *, holder: Callable[[str], bool] | None = None
    ) -> Accepted:
        """Report that the host's queue has given it up, whether or not it was ever started.

        Args:
            external_id: its name in that queue.
            error: what that queue says: too many attempts, a time limit, a worker lost.
            holder: whether the report is of a start by this worker; where another one holds the
                job, it is refused. By default of any.

        Raises:
            LeaseLost: it was started by another since, or has ended otherwise.
            Rejected: there is none of that name.
        """
        job = self.job(external_id)
        if job.lease is not None and holder is not None and not holder(job.lease.worker):
            message = f"job {job.id} is held by {job.lease.worker}, of which nothing was reported"
            raise LeaseLost(Reason.STALE_TOKEN, message)
        # If it is started between the look and the report, the token says so, and fences it off.
        return self._engine.run(self._host.abandon(job.id, job.token, error))

    def cancelled(self, external_id: str, reason: str = "", *, force: bool = False) -> CancelAnswer:
        """Report that the host's queue was asked not to run it; ``force``: its run was killed.

        Raises:
            Rejected: there is none of that name.
        """
        job_id = self.job(external_id).id
        return self._engine.cancel(job_id, by=self._worker, reason=reason, force=force)

    @contextmanager
    def running(self, kind: str, external_id: str | None = None) -> Iterator[Run]:
        """Report the start, the heartbeats and the end of the block: for a cron's job.

        Raises:
            Rejected: it may not start; the block is not run, and the job ends as given up.
            LeaseLost: at the end of the block: it was lost, cancelled or ran out of time.
        """
        name = uuid.uuid4().hex if external_id is None else external_id
        jobs = replace(self._jobs, retry=ONCE)
        Bridge(self._engine, worker=self._worker, jobs=jobs).submitted(name, kind)
        try:
            run = self.started(name)
        except ParcaeError as refusal:
            if external_id is None:
                self.queue_failed(name, error_of(refusal))
            raise
        try:
            with run.kept_alive():
                yield run
        except BaseException as raised:
            # If the job has moved on, what was raised is kept as evidence all the same.
            with suppress(LeaseLost):
                run.failed(error_of(raised), final=True)
            raise
        run.succeeded()
