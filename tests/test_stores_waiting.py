"""Loops, threads, cancelled callers and closed stores, on every store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parcae import commands as c
from parcae.errors import Unavailable
from parcae.ports import Named, Query, Store
from parcae.values import JobId
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import Driver

Scenario = Callable[[Driver], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Run:
    """Runs a scenario on a new store, which must find no fault in itself afterwards."""

    async def whole(scenario: Scenario) -> None:
        store: Store = (
            MemoryStore(clock=clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / "jobs.db", clock=clock, durability="normal")
        )
        await scenario(Driver(store))
        assert await store.audit() == ()
        await store.close()

    return lambda scenario: asyncio.run(whole(scenario))


def test_a_commit_wakes_whoever_waits_in_any_loop_of_any_thread(run: Run) -> None:
    """Requirements 10 and 11; S27's answer comes to the loop that asked."""

    async def scenario(driver: Driver) -> None:
        mark, woken = driver.store.mark(), []

        async def wait() -> None:
            woken.append(await driver.store.wait(mark))

        threads = [threading.Thread(target=lambda: asyncio.run(wait())) for _ in range(3)]
        for thread in threads:
            thread.start()
        await driver.submit()
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)
        assert len(woken) == 3
        assert all(one > mark for one in woken)

    run(scenario)


def test_a_wait_ends_at_its_instant_by_the_clock_of_the_store(run: Run, clock: ManualClock) -> None:
    async def scenario(driver: Driver) -> None:
        mark = driver.store.mark()
        waiting = asyncio.create_task(driver.store.wait(mark, EPOCH + timedelta(days=1)))
        while clock.next_alarm() is None:  # noqa: ASYNC110 - until it sleeps
            await asyncio.sleep(0)
        clock.advance(timedelta(days=1))
        assert await waiting == mark

    run(scenario)


def test_a_worker_thread_reaches_the_store_while_the_users_loop_is_blocked(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit()
        (granted,) = await driver.claim()
        renewed = threading.Event()

        def renew() -> None:
            asyncio.run(driver.tell(granted.job.id, c.Renew(token=granted.lease.token)))
            renewed.set()

        threading.Thread(target=renew).start()
        # On purpose: this blocks the event loop, like a handler that should not.
        assert renewed.wait(10)

    run(scenario)


def test_who_is_cancelled_while_waiting_does_not_disturb_the_others(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        tasks = [asyncio.create_task(driver.submit()) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        jobs = {one for one in done if isinstance(one, str)}
        assert len(jobs) >= 10
        found = {one.job.id for one in (await driver.store.find(Query())).jobs}
        assert jobs <= found

    run(scenario)


def test_a_closed_store_is_unavailable_and_closes_only_once(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        store = driver.store
        other: Store = MemoryStore()
        if isinstance(store, SqliteStore):
            other = SqliteStore(f"{store.path}-2")
        under_way = [asyncio.create_task(Driver(other).submit()) for _ in range(5)]
        # Two turns of the loop: what was asked before the close is answered.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await other.close()
        await other.close()
        assert len(set(await asyncio.gather(*under_way))) == 5
        for call in (
            other.transact(Named(), lambda _: ()),
            other.fetch(JobId("x")),
            other.wait(0),
            other.count(Query()),
            other.audit(),
        ):
            with pytest.raises(Unavailable, match="closed"):
                await call

    run(scenario)
