"""What survives: a close, another opener, the death of a process; and what a store says if it
cannot answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

from parcae import commands as c
from parcae.change import Key
from parcae.errors import Corrupt, Unavailable
from parcae.ports import Named, Query, Store
from parcae.values import JobId, Token
from parcae_specs.contracts import others
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, everything, promise, raised, row, whole_log
from parcae_specs.subject import Capability


class Lasting(Contract):
    """Requirements 3 and 12."""

    @promise("Store 3", "S27", needs=[Capability.DURABLE])
    async def test_s27_opened_again_a_store_has_all_that_it_acknowledged(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        await driver.submit(key="k")
        await driver.claim("r9")
        gone = await driver.finished()
        await driver.tell(gone, c.Delete())
        before = await everything(driver.store)
        named = Named(ids=(job,), keys=(Key(scope="submit", key="k"),), blobs=True)
        shown = await driver.shown(named)
        await kit.close(driver.store)
        again = await kit.driver()
        assert await everything(again.store) == before, "S27: what was acknowledged is not there"
        after = await again.shown(named)
        assert (after.jobs, after.keys, after.blobs) == (shown.jobs, shown.keys, shown.blobs)
        assert after.place == shown.place, "S7: opened again it gives other places"
        head = before[2][-1].position  # type: ignore[index]
        done = await again.tell(job, c.Annotate(by="", note=""))
        assert done.position > head, "S16: opened again it gives positions twice"

    @promise("Store 3", "S27", needs=[Capability.SHARED])
    async def test_s27_what_was_answered_is_written_not_only_remembered(self, kit: Kit) -> None:
        driver = await kit.driver()
        for number in range(10):
            job = await driver.submit()
            other = await kit.open()
            assert await other.fetch(job) is not None, "S27: answered before it was written"
            assert len(await whole_log(other)) == 2 * (number + 1)
            await kit.close(other)

    @promise("Store 3", "S27", "S23", needs=[Capability.PROCESSES])
    async def test_s27_what_was_answered_survives_a_kill_of_its_process(self, kit: Kit) -> None:
        store = await kit.open()
        await kit.close(store)
        answered = await others.killed_while_writing(kit.subject, kit.folder / "store")
        store = await kit.open()
        jobs = {one.job.id for one in (await store.find(Query(limit=1_000))).jobs}
        lost = set(answered) - jobs
        assert not lost, f"S27: {len(lost)} of {len(answered)} answered submissions are lost"
        assert len(answered) > 5, "the process was killed before it had done anything"

    @promise("Store 2", "S17", "S3", needs=[Capability.PROCESSES])
    async def test_s3_of_several_processes_one_is_granted_a_job_and_one_key_admits_one(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        await driver.submit()
        said = await others.racing(kit.subject, kit.folder / "store", 3)
        tokens = [token for one in said for token in one["tokens"]]
        assert tokens == [1], f"S3: processes were granted {tokens}"
        admitted = {one["job"] for one in said}
        assert len(admitted) == 1, f"S17: one key admitted {len(admitted)} jobs"

    @promise("Store 10", "EventBus 2", "L2", needs=[Capability.PROCESSES])
    async def test_l2_a_commit_of_another_process_wakes_too(self, kit: Kit) -> None:
        store = await kit.open()
        mark = store.mark()
        waiting = asyncio.create_task(store.wait(mark))
        await others.racing(kit.subject, kit.folder / "store", 1)
        assert await asyncio.wait_for(waiting, 10) > mark

    @promise("Store 14", "S28", needs=[Capability.DAMAGE])
    async def test_s28_a_record_that_cannot_be_read_is_named_with_its_job(self, kit: Kit) -> None:
        assert kit.subject.damage is not None
        driver = await kit.driver("damaged")
        good, bad = await driver.finished(), await driver.finished()
        await kit.close(driver.store)
        kit.subject.damage(kit.folder / "damaged", bad)
        store = await kit.open("damaged")
        assert await store.fetch(good) is not None
        for asking in (store.fetch(bad), store.find(Query()), store.transact(_of(bad), _nothing)):
            await _corrupt(asking, bad)
        kit.drop(store)
        await store.close()

    @promise("Store 14", "S18", needs=[Capability.OBSTRUCT])
    async def test_s18_a_store_that_cannot_answer_says_so_and_repeating_is_safe(
        self, kit: Kit
    ) -> None:
        assert kit.subject.obstruct is not None
        driver = await kit.driver()
        job = await driver.submit()
        await driver.claim()
        started = c.StartPhase(token=Token(1), phase="only")
        with kit.subject.obstruct(kit.folder / "store"):
            await _unavailable(driver.tell(job, started))
        await driver.tell(job, started)
        await driver.tell(job, started)
        assert (await row(driver.store, job)).job.version == 4

    @promise("Store 14", "S18")
    async def test_s18_a_closed_store_is_unavailable_and_closes_only_once(self, kit: Kit) -> None:
        driver = await kit.driver()
        store = driver.store
        under_way = [asyncio.create_task(driver.submit()) for _ in range(5)]
        # Two turns of the loop: what was asked before the close is answered.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        kit.drop(store)
        await store.close()
        await store.close()
        assert len(set(await asyncio.gather(*under_way))) == 5
        for call in (
            store.transact(Named(), _nothing),
            store.fetch(JobId("x")),
            store.find(Query()),
            store.count(Query()),
            store.history(JobId("x")),
            store.log(),
            store.blobs(JobId("x"), ["payload"]),
            store.next_due(),
            store.audit(),
        ):
            await _unavailable(call)

    @promise("Store 11", "L6")
    async def test_l6_a_close_wakes_whoever_waits(self, kit: Kit) -> None:
        store: Store = await kit.open()
        day = kit.clock.now() + timedelta(days=1)
        waiting = asyncio.create_task(store.wait(store.mark(), day))
        await asyncio.sleep(0.01)
        await kit.close(store)
        await asyncio.wait_for(waiting, 10)


def _of(job: JobId) -> Named:
    return Named(ids=(job,))


def _nothing(_: object) -> tuple[()]:
    return ()


async def _corrupt(asking: Awaitable[object], job: JobId) -> None:
    error = await raised(asking)
    assert isinstance(error, Corrupt), f"S28: a damaged record was not noticed: {error!r}"
    assert error.job_id == job, f"S28: expected job {job} to be named: {error}"


async def _unavailable(call: Awaitable[object]) -> None:
    error = await raised(call)
    assert isinstance(error, Unavailable), f"it answered though it could not: {error!r}"
