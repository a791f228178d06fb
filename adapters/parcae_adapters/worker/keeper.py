"""The keeper: renews leases, reconciles, fires schedules, and tells executions to stop.

It has a thread of its own, and shares nothing with the handlers' event loop, so that a handler
which blocks the loop does not lose its lease, and one that has lost it is told as soon as it
listens.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from parcae.answers import Renewed
from parcae.commands import Renew
from parcae.employer import Employer
from parcae.errors import Conflict, LeaseLost, ParcaeError, Reason, Unavailable
from parcae.handle import Held
from parcae.scheduler_engine import SchedulerEngine
from parcae.values import JobId, WorkerId
from parcae_adapters.logs import in_hand
from parcae_adapters.worker.entry import Entry
from parcae_adapters.worker.execution import Execution, Stop

log = logging.getLogger("parcae.worker")

TICK = 0.1
"""Seconds between two looks at what is to be done: how late a cancel is noticed."""

COMPLAIN_EVERY = 10.0
"""Seconds between two complaints about a store: where its disk is full, the logs may share it."""


class Keeper:
    """Keeps the leases of the executions it is given, and the worker's ``entry``, if it has one."""

    def __init__(
        self,
        engine: Employer,
        worker: WorkerId,
        every: timedelta,
        scheduler: SchedulerEngine | None = None,
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._every = every.total_seconds()
        self._scheduler = scheduler
        self.entry: Entry | None = None
        self._held: dict[JobId, tuple[Execution, float]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="parcae-keeper")
        self._mark = -1
        self._reconcile_at = 0.0
        self._complain_at = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """End, once what is under way is done."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def hold(self, execution: Execution) -> None:
        """Keep the lease of ``execution`` from now on.

        If the job has come back before the handler of its former lease was told, it is told now:
        nobody would keep an eye on it any more (S29).
        """
        with self._lock:
            former = self._held.get(execution.job_id)
            self._held[execution.job_id] = (execution, _monotonic() + _renewal(execution))
        if former is not None and former[0] is not execution:
            former[0].interrupt(Stop.LOST)

    def drop(self, execution: Execution) -> None:
        """Do not keep it any more."""
        with self._lock:
            found = self._held.get(execution.job_id)
            if found is not None and found[0] is execution:
                del self._held[execution.job_id]

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._turn()
            except Unavailable as error:
                self._complain(error)
                self._expire()
            except Exception:
                # It must outlive whatever it meets, or every lease of this worker would lapse.
                log.exception("worker %s: the keeper met an error and goes on", self._worker)
            await asyncio.sleep(TICK)

    def _complain(self, error: Unavailable) -> None:
        now = _monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY
            log.warning("worker %s: %s; repeating", self._worker, error)

    async def _turn(self) -> None:
        """Look at everything once. While the store keeps that waiting, time goes on."""
        tick = asyncio.create_task(self._tick())
        while not (await asyncio.wait({tick}, timeout=TICK))[0]:
            self._expire()
        await tick

    async def _tick(self) -> None:
        due = self._due()
        if due:
            await self._renew(due)
        if self.entry is not None:
            await self.entry.tick(_monotonic())
        mark = self._engine.news()
        if mark != self._mark:
            await self._look_for_cancels()
            self._mark = mark
        if _monotonic() >= self._reconcile_at:
            await self._reconcile()
            await self._fire()
            self._reconcile_at = _monotonic() + self._every

    def _due(self) -> list[Execution]:
        now = _monotonic()
        with self._lock:
            return [execution for execution, at in self._held.values() if at <= now]

    async def _renew(self, due: Sequence[Execution]) -> None:
        held = [
            Held(job_id=one.job_id, command=Renew(token=one.token, progress=one.progress))
            for one in due
        ]
        answers = await self._engine.renew(held)
        for execution, answer in zip(due, answers, strict=True):
            self._heard(execution, answer)

    def _heard(self, execution: Execution, answer: Renewed | ParcaeError) -> None:
        if isinstance(answer, Renewed):
            execution.expires_at = answer.expires_at
            if answer.cancel_requested:
                execution.interrupt(Stop.CANCEL)
        elif not isinstance(answer, Conflict):
            # A conflict only means that the clock went back: the lease is longer than we ask for.
            expired = isinstance(answer, LeaseLost) and answer.reason is Reason.EXPIRED
            execution.interrupt(Stop.EXPIRED if expired else Stop.LOST)
            with execution.in_hand():
                log.warning("job %s token %d: %s", execution.job_id, execution.token, answer)
            self.drop(execution)
            return
        with self._lock:
            found = self._held.get(execution.job_id)
            # Meanwhile the job may have come back to this worker, under another lease.
            if found is not None and found[0] is execution:
                again = _monotonic() + _renewal(execution)
                self._held[execution.job_id] = (execution, again)

    def _expire(self) -> None:
        """The store does not answer: what cannot be renewed is taken for lost once it is over."""
        now = self._engine.clock.now()
        with self._lock:
            over = [one for one, _ in self._held.values() if one.expires_at <= now]
        for execution in over:
            execution.interrupt(Stop.EXPIRED)

    async def _look_for_cancels(self) -> None:
        with self._lock:
            held = {job_id: execution for job_id, (execution, _) in self._held.items()}
        if not held:
            return
        for job_id, token in (await self._engine.cancels(self._worker)).items():
            execution = held.get(job_id)
            if execution is not None and execution.token == token:
                execution.interrupt(Stop.CANCEL)

    async def _reconcile(self) -> None:
        while settled := await self._engine.reconcile():
            for one in settled:
                with in_hand(job_id=one.job_id):
                    log.warning(
                        "job %s reconciled: %s → %s (%s)",
                        one.job_id,
                        one.before,
                        one.after,
                        one.cause,
                    )

    async def _fire(self) -> None:
        while self._scheduler is not None and (fired := await self._scheduler.fire()):
            for one in fired:
                if one.fault:
                    log.error("schedule %s gets no jobs from here: %s", one.name, one.fault)
                else:
                    log.info(
                        "schedule %s: %d jobs, %d ticks skipped",
                        one.name,
                        len(one.jobs),
                        one.skipped,
                    )


def _renewal(execution: Execution) -> float:
    return execution.job.spec.timing.renewal.total_seconds()


def _monotonic() -> float:
    """The loop's own clock: one for all loops of a process, and virtual in a simulation."""
    return asyncio.get_running_loop().time()
