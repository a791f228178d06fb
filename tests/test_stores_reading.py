"""Pages, the log, blobs and views, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.change import Key
from parcae.errors import LeaseLost
from parcae.ports import Named, Query, Store
from parcae.values import Position, Status, Token, blob, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import KIND, WORKER, Driver, result, spec

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


def test_pages_are_newest_first_and_end(run: Run, clock: ManualClock) -> None:
    async def scenario(driver: Driver) -> None:
        jobs = []
        for number in range(7):
            jobs.append(await driver.submit(spec(kind="odd" if number % 2 else KIND)))
            clock.advance(seconds(1))
        found, cursor = [], ""
        while True:
            page = await driver.store.find(Query(limit=3, cursor=cursor))
            found += [one.job.id for one in page.jobs]
            cursor = page.cursor
            if not cursor:
                break
        assert found == jobs[::-1]
        odd = await driver.store.find(Query(kinds=frozenset({"odd"}), limit=3))
        assert [one.job.id for one in odd.jobs] == jobs[5:0:-2]
        assert odd.cursor == ""
        await driver.claim()
        held = await driver.store.find(Query(worker=WORKER))
        assert [one.job.id for one in held.jobs] == [jobs[0]]
        running = Query(statuses=frozenset({Status.RUNNING}))
        assert await driver.store.count(running) == {Status.RUNNING: 1}
        assert await driver.store.count(Query(queues=frozenset({"mail"}))) == {}

    run(scenario)


def test_a_reader_of_the_log_sees_every_event_once_and_in_order(run: Run) -> None:
    """S16."""

    async def scenario(driver: Driver) -> None:
        async def reader() -> list[Position]:
            seen: list[Position] = []
            while len(seen) < 60:
                mark = driver.store.mark()
                some = await driver.store.log(seen[-1] if seen else Position(0), 7)
                seen += [one.position for one in some]
                if not some:
                    await driver.store.wait(mark)
            return seen

        async def submit_many() -> None:
            for _ in range(10):
                await driver.submit()

        seen, *_ = await asyncio.gather(reader(), *(submit_many() for _ in range(3)))
        assert seen == list(range(1, 61))

    run(scenario)


def test_what_is_answered_is_seen_by_whoever_asks_next(run: Run) -> None:
    """Requirement 2: positions follow real time."""

    async def scenario(driver: Driver) -> None:
        last = Position(0)
        for _ in range(10):
            job = await driver.submit()
            assert await driver.store.fetch(job) is not None
            done = await driver.tell(job, c.Annotate(by="", note=""))
            assert done.position == last + 3
            last = done.position

    run(scenario)


def test_a_rule_can_change_what_the_view_holds_and_nothing_else_changes(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.submit(key="k")

        named = Named(ids=(job,), keys=(Key(scope="submit", key="k"),), blobs=True)
        view = await driver.shown(named)
        for part in (view.jobs, view.keys, view.blobs):
            assert isinstance(part, dict)
            part.clear()
        again = await driver.shown(named)
        assert list(again.jobs) == [job]
        assert list(again.blobs) == [(job, "payload")]
        assert [row.job_id for row in again.keys.values()] == [job]

    run(scenario)


def test_late_evidence_keeps_its_bytes_beside_those_of_the_result(
    run: Run, clock: ManualClock
) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        await driver.claim("r1")
        await driver.tell(job, c.StartPhase(token=Token(1), phase="only"))
        clock.advance(timedelta(minutes=1))
        await driver.reconcile()
        clock.advance(timedelta(minutes=1))
        (again,) = await driver.claim("r2")
        late = c.CompletePhase(token=Token(1), phase="only", result=result("only", b'"late"'))
        done = await driver.tell(job, late, b'"late"')
        assert isinstance(done.changes[0].answer, LeaseLost)
        await driver.work(again)
        names = ["result/only", "late/1"]
        assert await driver.store.blobs(job, names) == {"result/only": b"{}", "late/1": b'"late"'}

    run(scenario)


def test_a_payload_of_a_megabyte_comes_back_as_it_was(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        data = bytes(range(256)) * 4096
        big = replace(spec(), payload=blob("payload", data))
        done = await driver.store.transact(Named(), lambda view: [rules.submit(view, big, data)])
        job = done.changes[0].job_id
        assert await driver.store.blobs(job, ["payload"]) == {"payload": data}

    run(scenario)
