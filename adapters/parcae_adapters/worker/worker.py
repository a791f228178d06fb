"""The worker's main loop: claim while there is room, run, drain."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from parcae.answers import Granted
from parcae.definitions import Jobs
from parcae.deploys import DeployEngine
from parcae.employer import Employer, Registrar
from parcae.errors import ParcaeError, Unavailable
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Calendar
from parcae.timing import MARGIN
from parcae.validation import validate
from parcae.values import JobId, WorkerId, seconds
from parcae.worker_engine import WorkerEngine
from parcae_adapters.worker.entry import Entry, described
from parcae_adapters.worker.execution import Execution, Stop
from parcae_adapters.worker.keeper import Keeper
from parcae_adapters.worker.starting import compare

log = logging.getLogger("parcae.worker")

CLEANUP = 5.0
"""Seconds that handlers have to stop in, once the drain is over."""

PAUSE = 0.02
"""Seconds between two claims that found nothing: commits come faster than work sometimes."""

RECONCILE_EVERY = seconds(1)

MOST_UNFIT = 1_000
"""Of the jobs that it cannot run, a worker remembers so many, so as not to claim them again."""

LOOK = 1.0
"""Seconds after which one looks for work even if nobody said there is any."""


class Worker:
    """Runs the jobs of an application.

    Args:
        engine: who gives it work: the engine on a store, or one on a server elsewhere.
        jobs: what can be run here.
        concurrency: how many jobs at once.
        queues: only from these; ``None``: from all.
        drain: how long a stop waits for handlers; ``None``: as long as the longest attempt may
            last, and a margin.
        name: who it says it is; unique among all workers. By default host, process and chance.
        reconcile_every: how often it looks for what is stale, and for schedules that are due.
        calendar: with it, the worker sees to schedules; it takes one worker that does.

    Raises:
        ValueError: durations do not fit together (rule 9 of the lifecycle); says which and how.
        TypeError: a calendar, where the jobs are elsewhere: schedules need the store itself.
    """

    def __init__(
        self,
        engine: Employer,
        jobs: Jobs,
        *,
        concurrency: int = 10,
        queues: Iterable[str] | None = None,
        drain: timedelta | None = None,
        name: str | None = None,
        reconcile_every: timedelta = RECONCILE_EVERY,
        calendar: Calendar | None = None,
    ) -> None:
        if not 1 <= concurrency <= 1_000:
            raise ValueError(f"expected a concurrency from 1 to 1000, got {concurrency}")
        _refuse_findings(jobs, drain)
        self.name = WorkerId(name or _unique_name())
        self.drain = drain if drain is not None else _longest_attempt(jobs) + MARGIN
        self._engine = engine
        self._jobs = jobs
        self._concurrency = concurrency
        self._queues = None if queues is None else frozenset(queues)
        scheduler = None if calendar is None else _scheduler(engine, calendar)
        self._keeper = Keeper(engine, self.name, reconcile_every, scheduler)
        self._running: dict[asyncio.Task[None], Execution] = {}
        self._without: dict[JobId, None] = {}
        self._compared = False
        self._claims = 0
        self._stops = 0
        self._nudge = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def running(self) -> int:
        """How many jobs it runs now."""
        return len(self._running)

    @property
    def abandoned(self) -> int:
        """How many handlers go on although their lease is gone: a thread cannot be stopped.

        Each keeps its place until it returns. From any thread.
        """
        running = tuple(self._running.values())
        return sum(one.stop is not None and one.stop >= Stop.EXPIRED for one in running)

    def stop(self) -> None:
        """Begin to drain; a second call cuts the drain short. From any thread."""
        self._stops += 1
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped)

    def _stopped(self) -> None:
        self._nudge.set()
        if self._stops > 1:
            self._hurry.set()

    async def __aenter__(self) -> Self:
        """Work in the background until the end of the block.

        Raises:
            ValueError: living jobs have other phases than their definitions; see :meth:`run`.
        """
        await self._compare()
        self._working = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain; cut short if the block raised."""
        self.stop()
        if error is not None:
            self.stop()
        await self._working

    async def run(self) -> None:
        """Work until :meth:`stop`, then drain. Handlers still alive after that are abandoned.

        Raises:
            ValueError: living jobs have other phases than their definitions, and nobody has chosen
                what becomes of them (rule 14 of the lifecycle); says which and how.
        """
        self._loop = asyncio.get_running_loop()
        await self._compare()
        listener = asyncio.create_task(self._listen())
        entry = self._keeper.entry = self._entry()
        self._keeper.start()
        try:
            while not self._stops:
                await self._claim()
            await self._drain()
        finally:
            listener.cancel()
            await self._clean_up()
            await self._keeper.stop()
            # Who leaves handlers behind has not stopped in order: it can still be seen.
            if entry is not None and not self._running:
                await entry.strike_out()

    def _entry(self) -> Entry | None:
        """What it keeps in the register of those who give it work, if they have one."""
        engine = self._engine
        if not isinstance(engine, Registrar):
            return None
        kinds, queues = self._jobs.kinds, self._queues
        presence = described(self.name, kinds, queues, self._concurrency, engine.clock)
        return Entry(engine, presence, lambda: (self._stops > 0, self.abandoned))

    async def _compare(self) -> None:
        """Hold the jobs that live against the definitions, before any of them is run."""
        if self._compared or not isinstance(self._engine, WorkerEngine):
            return
        self._compared, engine = True, DeployEngine(self._engine.store)
        while not self._stops:
            try:
                await compare(engine, self._jobs, self._queues, self.name)
            except Unavailable as error:
                log.warning("worker %s: %s; repeating", self.name, error)
                await asyncio.sleep(LOOK)
            except ParcaeError:
                # One record that cannot be read must not end a worker that runs other jobs: each
                # is looked at once more before it is run.
                log.exception("worker %s cannot compare all living jobs", self.name)
                return
            else:
                return

    async def _listen(self) -> None:
        mark = self._engine.news()
        while True:
            mark = await self._engine.wait_for_news(mark)
            self._nudge.set()

    async def _claim(self) -> None:
        self._nudge.clear()
        room = self._concurrency - len(self._running)
        granted = await self._ask(room) if room else 0
        if granted and granted == room:
            return
        pause = await self._until_due() if room else LOOK
        await asyncio.sleep(PAUSE)
        if not self._stops:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), pause)

    async def _ask(self, room: int) -> int:
        """Claim up to ``room`` jobs and begin them; how many were granted."""
        self._claims += 1
        request = f"{self.name}/{self._claims}"
        try:
            granted = await self._engine.claim(
                self.name,
                self._jobs.kinds,
                request=request,
                limit=room,
                queues=self._queues,
                without=frozenset(self._without),
            )
        except Unavailable as error:
            # Whether anything was granted is unknown: the next claim is the same one.
            log.warning("worker %s: %s; repeating", self.name, error)
            self._claims -= 1
            return 0
        except ParcaeError:
            # One record that cannot be read must not end a worker that runs other jobs.
            log.exception("worker %s cannot claim", self.name)
            return 0
        for one in granted:
            self._begin(one)
        return len(granted)

    def _begin(self, granted: Granted) -> None:
        execution = Execution(self._engine, self._jobs, granted)
        self._keeper.hold(execution)
        task = asyncio.create_task(execution.run())
        self._running[task] = execution
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        execution = self._running.pop(task)
        self._keeper.drop(execution)
        if execution.unfit:
            # It has its old place again, and this worker would be given it for ever.
            self._without[execution.job_id] = None
            while len(self._without) > MOST_UNFIT:
                del self._without[next(iter(self._without))]
        self._nudge.set()
        if not task.cancelled() and task.exception() is not None:
            with execution.in_hand():
                log.error(
                    "job %s: the worker itself failed",
                    execution.job_id,
                    exc_info=task.exception(),
                )

    async def _until_due(self) -> float:
        """Seconds until a job is offered, ``LOOK`` at the most."""
        now = self._engine.clock.now()
        try:
            due = await self._engine.next_due(now)
        except ParcaeError:
            return LOOK
        return LOOK if due is None else min((due - now).total_seconds(), LOOK)

    async def _drain(self) -> None:
        if self._running:
            log.info("worker %s drains %d jobs", self.name, len(self._running))
        clock = asyncio.get_running_loop().time
        over = clock() + self.drain.total_seconds()
        hurry = asyncio.create_task(self._hurry.wait())
        while self._running and not hurry.done() and clock() < over:
            left = over - clock()
            waited = {*self._running, hurry}
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()

    async def _clean_up(self) -> None:
        """Give back what can be stopped; what cannot keeps its lease until that lapses."""
        for execution in self._running.values():
            execution.interrupt(Stop.DRAIN)
        if self._running:
            await asyncio.wait(set(self._running), timeout=CLEANUP)
        for task, execution in list(self._running.items()):
            with execution.in_hand():
                log.error("job %s: its handler does not stop and is abandoned", execution.job_id)
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=PAUSE)


def _scheduler(engine: Employer, calendar: Calendar) -> SchedulerEngine:
    if not isinstance(engine, WorkerEngine):
        expected = "expected an engine on a store, for this worker is to see to schedules"
        raise TypeError(f"{expected}; got {type(engine).__name__}: leave out the calendar")
    return SchedulerEngine(engine.store, calendar)


def _unique_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"[:200]


def _longest_attempt(jobs: Jobs) -> timedelta:
    return max((jobs[kind].options.timing.attempt for kind in jobs.kinds), default=seconds(0))


def _refuse_findings(jobs: Jobs, drain: timedelta | None) -> None:
    misfits = validate(jobs, drain=drain)
    for one in misfits:
        log.warning("%s", one)
    wrong = [str(one) for one in misfits if one.finding.error]
    if wrong:
        raise ValueError("; ".join(wrong))
