"""The loads: no-op jobs through a real store, a hundred at once, with and without a worker."""

from __future__ import annotations

import asyncio
import time

from parcae import Context, Engine, Jobs
from parcae.values import WorkerId
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import Worker

AT_ONCE = 100


def noop() -> Jobs:
    """A definition that does nothing."""
    jobs = Jobs()

    @jobs.job("noop")
    async def nothing(_: Context) -> None: ...

    return jobs


async def work(store: SqliteStore, count: int) -> float:
    """Seconds that ``count`` jobs take, ``AT_ONCE`` at a time, from submission to answer."""
    jobs, engine = noop(), Engine(store)
    worker = Worker(engine, jobs, concurrency=AT_ONCE)
    working = asyncio.create_task(worker.run())

    async def client(share: int) -> None:
        for _ in range(share):
            handle = await engine.submit(jobs["noop"]())
            await handle.wait()

    began = time.perf_counter()
    await asyncio.gather(*(client(count // AT_ONCE) for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    worker.stop()
    await working
    return took


async def drive(store: SqliteStore, count: int) -> float:
    """Seconds that ``count`` jobs take, ``AT_ONCE`` at a time, through the use cases alone.

    Each is submitted, claimed, started and completed by a client of its own, which waits for the
    durable answer to each before it asks for the next.
    """
    engine, request = Engine(store), noop()["noop"]()
    kinds = frozenset({"noop"})

    async def client(number: int) -> None:
        worker = WorkerId(f"client-{number}")
        for turn in range(count // AT_ONCE):
            await engine.submit(request)
            (granted,) = await engine.claim(worker, kinds, request=str(turn))
            job_id, token = granted.job.id, granted.lease.token
            await engine.start_phase(job_id, token, "run")
            await engine.complete_phase(job_id, token, "run")

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(AT_ONCE)))
    return time.perf_counter() - began
