"""For the tests of a host application: run sagas to their end in virtual time, without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from parcae.definitions import Jobs
from parcae.effects import Effect, Offer, Remind
from parcae.engine import Engine
from parcae.ports import Query
from parcae.saga import resume
from parcae.state import Stored
from parcae.values import TERMINAL, Instant, Status, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.worker.execution import Execution

WORKER = WorkerId("test")
ALIVE = frozenset(set(Status) - TERMINAL)


async def run_until_idle(engine: Engine, jobs: Jobs, *, limit: int = 10_000) -> int:
    """Run everything that ``jobs`` can run, moving the clock on whenever only time is wanted.

    Retries, backoffs, deadlines and stale work come about as they would, at once. A handler that
    never returns is not timed out: time stands still while handlers run.

    Args:
        engine: on a store whose clock is a :class:`~parcae_adapters.clock.ManualClock`.
        jobs: the definitions.
        limit: how many leases at the most, against a saga that never ends.

    Returns:
        How many leases were worked off.

    Raises:
        TypeError: the store's clock is not moved by hand.
        RuntimeError: ``limit`` was reached.
    """
    clock = engine.store.clock
    if not isinstance(clock, ManualClock):
        raise TypeError(f"expected a store with a ManualClock, got {clock!r}")
    leases = 0
    while leases < limit:
        await engine.reconcile(limit=1_000)
        granted = await engine.claim(WORKER, jobs.kinds, request=f"idle-{leases}", limit=100)
        await asyncio.gather(*(Execution(engine, jobs, one).run() for one in granted))
        leases += len(granted)
        if granted:
            continue
        upcoming = await _next(engine, jobs)
        if upcoming is None:
            return leases
        clock.set(upcoming)
    raise RuntimeError(f"{limit} leases, and still not idle: does a saga retry for ever?")


async def _next(engine: Engine, jobs: Jobs) -> Instant | None:
    """When something will happen that these definitions can see to; ``None``: never."""
    now = engine.store.clock.now()
    instants = [
        at
        async for stored in _alive(engine)
        for effect in resume(stored)
        if (at := _instant(effect, jobs)) is not None and at > now
    ]
    return min(instants, default=None)


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
