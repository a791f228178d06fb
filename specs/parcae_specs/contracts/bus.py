"""Wake-ups: nobody sleeps through a commit, in whatever loop, thread or store they wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

from parcae import commands as c
from parcae.ports import EventBus, Query, Store
from parcae.values import JobId, Token
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise, quiet
from parcae_specs.drive import Driver
from parcae_specs.subject import Capability


async def woken(kit: Kit, waiting: asyncio.Task[int]) -> int:
    """The mark that a waiting task was woken with."""
    try:
        return await asyncio.wait_for(waiting, kit.soon)
    except TimeoutError:
        raise AssertionError("L2: a commit has woken nobody") from None


class EventBusContract(Contract):
    """The requirements of a bus. ``subject`` is the store whose commits it tells of.

    Inherit, and say in ``bus`` how one comes by it.
    """

    async def bus(self, kit: Kit, driver: Driver) -> EventBus:  # noqa: ARG002 - others need it
        """The bus that tells of the commits of ``driver.store``: by default that store."""
        return driver.store

    @promise("EventBus 1", "EventBus 2", "Store 10", "L2")
    async def test_l2_a_commit_wakes_whoever_waits(self, kit: Kit) -> None:
        driver = await kit.driver()
        bus = await self.bus(kit, driver)
        mark = await quiet(bus)
        waiting = asyncio.create_task(bus.wait(mark))
        await asyncio.sleep(0)
        await driver.submit()
        assert await woken(kit, waiting) > mark
        assert bus.mark() > mark

    @promise("EventBus 2", "L2")
    async def test_l2_a_commit_between_the_mark_and_the_wait_is_not_missed(self, kit: Kit) -> None:
        driver = await kit.driver()
        bus = await self.bus(kit, driver)
        for _ in range(20):
            mark = bus.mark()
            await driver.submit()
            now = await woken(kit, asyncio.create_task(bus.wait(mark)))
            assert now > mark
            assert now <= bus.mark(), "EventBus 1: the mark went back"

    @promise("EventBus 2", "Store 10", "L2", needs=[Capability.SHARED])
    async def test_l2_a_commit_of_another_store_wakes_too(self, kit: Kit) -> None:
        here, there = await kit.driver(), await kit.driver()
        bus = await self.bus(kit, here)
        for _ in range(3):
            mark = bus.mark()
            waiting = asyncio.create_task(bus.wait(mark))
            await there.submit()
            assert await woken(kit, waiting) > mark

    @promise("EventBus 3", "L2")
    async def test_l2_whoever_waits_for_a_job_is_woken_by_its_end(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        (granted,) = await driver.claim()
        waiting = asyncio.create_task(_end(await self.bus(kit, driver), driver.store, job))
        await driver.submit()
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await driver.work(granted)
        await asyncio.wait_for(waiting, kit.soon)

    @promise("EventBus 3", "L2")
    async def test_l2_whoever_waits_for_a_job_is_woken_by_its_deletion(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        bus = await self.bus(kit, driver)
        mark = await quiet(bus)
        waiting = asyncio.create_task(bus.wait(mark, None, job))
        await asyncio.sleep(0)
        await driver.tell(job, c.Delete())
        assert await woken(kit, waiting) > mark

    @promise("EventBus 2", "L8", needs=[Capability.CLOCK])
    async def test_l8_a_wait_ends_at_its_instant_by_the_clock_of_the_store(self, kit: Kit) -> None:
        bus = await self.bus(kit, await kit.driver())
        day = timedelta(days=1)
        mark = await quiet(bus)
        waiting = asyncio.create_task(bus.wait(mark, kit.clock.now() + day))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        while not waiting.done():
            # Whenever it begins to look at the clock, its instant comes.
            kit.moved.advance(day)
            await asyncio.sleep(0.001)
        assert await waiting == bus.mark() == mark
        mark = await asyncio.wait_for(bus.wait(bus.mark(), kit.clock.now()), kit.soon)
        assert mark == bus.mark()

    @promise("EventBus 4", "Store 11", "L2")
    async def test_l2_a_commit_wakes_whoever_waits_in_any_loop_of_any_thread(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        bus = await self.bus(kit, driver)
        mark, marks = bus.mark(), list[int]()

        async def wait() -> None:
            both = [asyncio.create_task(bus.wait(mark)) for _ in range(2)]
            marks.extend([await woken(kit, one) for one in both])

        threads = _started(lambda: asyncio.run(wait()), 3)
        await driver.submit()
        await _joined(kit, threads)
        assert len(marks) == 6
        assert all(one > mark for one in marks)


class Bus(EventBusContract):
    """The same of the store itself, and its requirement 11."""

    @promise("Store 11", "L7")
    async def test_l7_transactions_may_be_awaited_in_any_loop_of_any_thread(self, kit: Kit) -> None:
        driver = await kit.driver()

        async def submit() -> None:
            await asyncio.gather(*(driver.submit() for _ in range(5)))

        await _joined(kit, _started(lambda: asyncio.run(submit()), 4))
        number = len((await driver.store.find(Query())).jobs)
        assert number == 20, f"of 20 submissions in four event loops {number} came through"

    @promise("Store 11", "L7")
    async def test_l7_a_thread_reaches_the_store_while_the_loop_that_opened_it_is_blocked(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        await driver.claim()
        renewed = threading.Event()

        def renew() -> None:
            asyncio.run(driver.tell(job, c.Renew(token=Token(1))))
            renewed.set()

        threads = _started(renew, 1)
        # On purpose: this blocks the event loop, like a handler that should not.
        in_time = renewed.wait(kit.soon)
        assert in_time, "L7: it is reached only while another event loop turns"
        await _joined(kit, threads)

    @promise("Store 2", "Store 11", "S23")
    async def test_s23_who_is_cancelled_while_waiting_does_not_disturb_the_others(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        tasks = [asyncio.create_task(driver.submit()) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        jobs = {one for one in done if isinstance(one, str)}
        assert len(jobs) >= 10
        found = {one.job.id for one in (await driver.store.find(Query())).jobs}
        assert jobs <= found


async def _end(bus: EventBus, store: Store, job: JobId) -> None:
    while True:
        mark = bus.mark()
        stored = await store.fetch(job)
        if stored is not None and stored.job.status.is_terminal:
            return
        await bus.wait(mark, None, job)


def _started(target: object, number: int) -> Sequence[threading.Thread]:
    threads = [threading.Thread(target=target, daemon=True) for _ in range(number)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    return threads


async def _joined(kit: Kit, threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        await asyncio.to_thread(thread.join, kit.soon)
        assert not thread.is_alive(), "a thread still waits for its answer"
