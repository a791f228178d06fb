"""For the tests of a host application: run sagas to their end in virtual time, without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from parcae.admission import due
from parcae.definitions import Jobs
from parcae.effects import Effect, Offer, Remind
from parcae.engine import Engine
from parcae.ports import Query
from parcae.saga import resume
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Calendar
from parcae.state import Job, Stored
from parcae.values import TERMINAL, Instant, JobId, Status, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.worker.execution import Execution

WORKER = WorkerId("test")
ALIVE = frozenset(set(Status) - TERMINAL)


async def run_until_idle(
    engine: Engine,
    jobs: Jobs,
    *,
    limit: int = 10_000,
    calendar: Calendar | None = None,
    until: Instant | None = None,
) -> int:
    """Run everything that ``jobs`` can run, moving the clock on whenever only time is wanted.

    Retries, backoffs, deadlines and stale work come about as they would, at once. A handler that
    never returns is not timed out: time stands still while handlers run.

    Args:
        engine: on a store whose clock is a :class:`~parcae_adapters.clock.ManualClock`.
        jobs: the definitions.
        limit: how many leases at the most, against a saga that never ends.
        calendar: with it, schedules admit the jobs of their ticks.
        until: the clock is moved on to ticks up to this instant, and to none by default: a
            schedule always has a next one.

    Returns:
        How many leases were worked off.

    Raises:
        TypeError: the store's clock is not moved by hand, or ``until`` came without a calendar.
        RuntimeError: ``limit`` was reached.
    """
    clock = engine.store.clock
    if not isinstance(clock, ManualClock):
        raise TypeError(f"expected a store with a ManualClock, got {clock!r}")
    if calendar is None and until is not None:
        raise TypeError("expected a calendar with until: without one no schedule admits a job")
    scheduler = None if calendar is None else SchedulerEngine(engine.store, calendar)
    leases, without = 0, set[JobId]()
    while leases < limit:
        await engine.reconcile(limit=1_000)
        while scheduler is not None and await scheduler.fire():
            pass
        granted = await engine.claim(
            WORKER, jobs.kinds, request=f"idle-{leases}", limit=100, without=frozenset(without)
        )
        executions = [Execution(engine, jobs, one) for one in granted]
        await asyncio.gather(*(one.run() for one in executions))
        without.update(one.job_id for one in executions if one.unfit)
        leases += len(granted)
        if granted:
            continue
        upcoming = [await _next(engine, jobs), await _tick(scheduler, until)]
        if not any(upcoming):
            return leases
        clock.set(min(at for at in upcoming if at is not None))
    raise RuntimeError(f"{limit} leases, and still not idle: does a saga retry for ever?")


async def _tick(scheduler: SchedulerEngine | None, until: Instant | None) -> Instant | None:
    """The next tick of any schedule, if it comes by ``until``."""
    if scheduler is None or until is None:
        return None
    ticks = [one.next_at for one in await scheduler.schedules() if one.next_at is not None]
    return min((at for at in ticks if at <= until), default=None)


async def _next(engine: Engine, jobs: Jobs) -> Instant | None:
    """When something will happen that these definitions can see to; ``None``: never."""
    now = engine.store.clock.now()
    instants: list[Instant] = []
    held_back = False
    async for stored in _alive(engine):
        for effect in resume(stored):
            at = _instant(effect, jobs)
            if at is not None and at > now:
                instants.append(at)
        held_back = held_back or await _held_back(engine, jobs, stored.job, now)
    if held_back and (again := await engine.store.next_due(now)) is not None:
        instants.append(again)
    return min(instants, default=None)


async def _held_back(engine: Engine, jobs: Jobs, job: Job, now: Instant) -> bool:
    """Whether it is due and was not granted, though its queue goes on: a rate will let it start."""
    lane = job.spec.lane
    if job.spec.kind not in jobs.kinds or not due(job, now):
        return False
    return not (await engine.queue(lane.queue)).paused


def _instant(effect: Effect, jobs: Jobs) -> Instant | None:
    if isinstance(effect, Offer):
        return effect.at if effect.kind in jobs.kinds else None
    return effect.at if isinstance(effect, Remind) else None


async def _alive(engine: Engine) -> AsyncIterator[Stored]:
    cursor = ""
    while True:
        page = await engine.find(Query(statuses=ALIVE, limit=1_000, cursor=cursor))
        for stored in page.jobs:
            yield stored
        cursor = page.cursor
        if not cursor:
            return
