"""What an explanation needs is gathered from the store, and nothing that would contradict it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from parcae import Context, Engine, Graph, Jobs, Reason, Rejected, RetryMode, Status
from parcae.explain_engine import ExplainEngine
from parcae.freshness import Freshness
from parcae.ports import Store
from parcae.retention_engine import RetentionEngine
from parcae.values import Error, Instant, JobId, WorkerId, hours, minutes
from parcae.workers import Presence, until
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.story import at

jobs = Jobs()


@jobs.job("greet", queue="mail")
def greet(ctx: Context, name: str) -> str:  # noqa: ARG001
    return name


Use = Callable[[Engine, ExplainEngine, ManualClock], Coroutine[Any, Any, None]]
WORKER = WorkerId("bob")


@pytest.fixture(params=["memory", "sqlite"])
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Use], None]:
    """Plays a scene in each store."""

    def play(use: Use) -> None:
        async def main() -> None:
            clock = ManualClock(at(0))
            store: Store
            if request.param == "memory":
                store = MemoryStore(clock=clock)
            else:
                store = SqliteStore(tmp_path / "jobs.db", clock=clock, durability="normal")
            async with Engine(store) as engine:
                await use(engine, ExplainEngine(store), clock)

        asyncio.run(main())

    return play


async def claimed(engine: Engine, request: str = "1") -> tuple[JobId, Any]:
    """A job that is at work."""
    (granted,) = await engine.claim(WORKER, jobs.kinds, request=request)
    await engine.start_phase(granted.job.id, granted.lease.token, "run")
    return granted.job.id, granted.lease.token


def test_given_a_full_queue_then_the_place_and_the_holder_are_told(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        await engine.limit("mail", 1)
        ids = [(await engine.submit(greet(name))).job_id for name in "abc"]
        holder, _ = await claimed(engine)
        clock.set(at(5))
        said = await explain.why(ids[2])
        text = " ".join(said.waits)
        assert "1 job of its line (queue mail) will start before it." in text
        assert "1 of 1 slots of queue mail are held." in text
        assert f"job {holder} (worker bob, for 5.0s)" in text
        assert "1 living worker can run kind greet." in text

    played(use)


def test_given_room_in_a_queue_then_who_holds_a_slot_is_in_nobodys_way(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:  # noqa: ARG001
        for limit in (None, 2):
            await engine.limit("mail", limit)
            ids = [(await engine.submit(greet(name))).job_id for name in "ab"]
            holder, _ = await claimed(engine, request=str(limit))
            said = await explain.why(ids[1])
            assert not any(holder in one for one in said.waits)
            assert not any(holder in one.command for one in said.remedies)
            for name in ids:
                await engine.cancel(name, force=True)

    played(use)


def test_given_a_clock_that_went_back_then_nothing_is_told_as_if_it_had_not(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        await engine.submit(greet("a"))
        held, _ = await claimed(engine)
        waiting = (await engine.submit(greet("b"))).job_id
        clock.set(at(0) - hours(1))
        said = await explain.why(held)
        assert "was last heard of 60m in the future" in said.state
        assert said.freshness.word is Freshness.UNKNOWN
        said = await explain.why(waiting)
        assert said.freshness.word is Freshness.UNKNOWN
        assert said.freshness.because == "It was admitted 60m in the future: a clock is off."

    played(use)


def test_given_a_chain_then_what_each_waits_for_is_followed(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:  # noqa: ARG001
        graph = Graph()
        one = graph.add(greet("a"))
        two = graph.add(greet("b"), after=[one])
        graph.add(greet("c"), after=[two])
        handle = await engine.submit_graph(graph)
        await claimed(engine)
        first, second, third = handle.jobs
        said = await explain.why(third)
        assert said.waits[0].startswith(
            f"It waits for job {second}, which is pending (fresh) and waits for job {first}, which "
            "is running with worker bob (fresh)."
        )
        assert handle.group_id in said.waits[-1]
        assert said.remedies[0].command == f"parcae why {second}"
        callback = await engine.submit(greet("d"), after=[JobId(handle.group_id)])
        waits = (await explain.why(callback.job_id)).waits[0]
        assert f"It waits for {handle.group_id}, of which it is known: 3 of 3" in waits

    played(use)


def test_given_an_ended_job_then_who_took_it_up_and_a_hold_are_told(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:  # noqa: ARG001
        job_id = (await engine.submit(greet("a"))).job_id
        _, token = await claimed(engine)
        error = Error(type="shop.Broke", message="4711", permanent=True)
        await engine.fail(job_id, token, error)
        await RetentionEngine(engine.store).hold(job_id)
        assert "legal hold" in (await explain.why(job_id)).next
        plain = await explain.why(job_id)
        assert plain.diagnostics is None
        said = (await explain.why(job_id, diagnostics=True)).diagnostics
        assert said is not None
        assert [one.error.message for one in said.errors] == ["4711"]
        assert said.payload == '{"name": "<text of 1>"}'
        retried = await engine.retry(job_id, RetryMode.RESUME)
        assert f"Job {retried.job_id} has taken it up" in (await explain.why(job_id)).next

    played(use)


def test_given_a_silent_worker_then_it_is_not_counted_among_the_living(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        await engine.submit(greet("a"))
        job_id, _ = await claimed(engine)
        assert await explain.workers("greet", "mail", clock.now()) == frozenset({WORKER})
        clock.set(at(31))
        assert await explain.workers("greet", "mail", clock.now()) == frozenset()
        said = await explain.why(job_id)
        assert said.freshness.word is Freshness.STALE

    played(use)


def presence(now: Instant, *kinds: str, **more: Any) -> Presence:
    """A worker that says now that it is there."""
    named = WorkerId(more.pop("id", "ida"))
    return Presence(id=named, kinds=kinds, started_at=now, heard_at=now, until=until(now), **more)


def test_given_workers_that_are_idle_then_it_is_known_who_would_take_a_job(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        job_id = (await engine.submit(greet("a"))).job_id

        async def said() -> tuple[str, Freshness]:
            told = await explain.why(job_id)
            return " ".join(told.waits), told.freshness.word

        waits, word = await said()
        assert "No living worker is known that runs kind greet" in waits
        assert "No worker at all is known to be there." in waits
        assert word is Freshness.UNKNOWN

        await engine.enlist(presence(at(0), "resize", "send", id="one"))
        await engine.enlist(presence(at(0), "resize", id="two"))
        waits, word = await said()
        assert "No living worker is known that runs kind greet" in waits
        assert "2 workers known to be there can run resize and send." in waits
        assert word is Freshness.UNKNOWN

        await engine.enlist(presence(at(0), "greet", queues=("other",)))
        waits, _ = await said()
        assert "1 worker can run that kind, but not from queue mail: only from other." in waits

        for unable in ({"draining": True}, {"abandoned": 1}):
            await engine.enlist(presence(at(0), "greet", **unable))
            assert "No living worker is known" in (await said())[0]

        await engine.enlist(presence(at(0), "greet"))
        waits, word = await said()
        assert "1 living worker can run kind greet." in waits
        assert word is Freshness.FRESH
        clock.set(until(at(0)))
        assert "No worker at all is known to be there." in (await said())[0]
        await engine.dismiss(WorkerId("ida"))

    played(use)


def test_given_a_job_whose_worker_was_lost_then_that_one_is_not_counted_until_it_is_heard_of(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        await engine.enlist(presence(at(0), "greet", id=WORKER, pid=1, capacity=2))
        await engine.submit(greet("a"))
        clock.set(at(1))
        job_id, _ = await claimed(engine)
        await engine.enlist(presence(at(2), "greet", id=WORKER))
        # Its lease is over before it would have said again that it is there.
        clock.set(at(31.5))
        await engine.reconcile()
        said = await explain.why(job_id)
        assert "No living worker is known that runs kind greet: until one comes, it waits." in (
            said.waits
        )
        await engine.enlist(presence(at(32), "greet", id=WORKER))
        assert "1 living worker can run kind greet." in (await explain.why(job_id)).waits

    played(use)


def test_given_a_clock_that_went_back_then_nobody_can_tell_who_is_there(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        await engine.enlist(presence(at(0), "greet"))
        clock.set(at(0) - hours(1))
        assert await explain.workers("greet", "mail", clock.now()) is None
        assert await explain.workers("send", "mail", clock.now()) == frozenset()
        # Every worker says again that it is there, soon, and by the clock as it is now.
        await engine.enlist(presence(clock.now(), "greet"))
        assert await explain.workers("greet", "mail", clock.now()) == frozenset({"ida"})

    played(use)


def test_given_a_paused_queue_then_no_job_of_it_is_late_in_a_list(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:
        ids = [(await engine.submit(greet(name))).job_id for name in "ab"]
        stored = [one for job_id in ids if (one := await engine.stored(job_id)) is not None]
        clock.set(at(0) + minutes(9))
        words = [one.word for one in await explain.freshness(stored, clock.now())]
        assert words == [Freshness.UNKNOWN] * 2
        await engine.enlist(presence(clock.now(), "greet"))
        words = [one.word for one in await explain.freshness(stored, clock.now())]
        assert words == [Freshness.LATE] * 2
        await engine.pause("mail")
        words = [one.word for one in await explain.freshness(stored, clock.now())]
        assert words == [Freshness.FRESH] * 2

    played(use)


def test_given_no_such_job_then_that_is_said(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, explain: ExplainEngine, clock: ManualClock) -> None:  # noqa: ARG001
        with pytest.raises(Rejected) as refused:
            await explain.why(JobId("none"))
        assert refused.value.reason is Reason.NOT_FOUND

    played(use)


def test_given_a_database_that_is_locked_then_a_job_at_work_is_explained_all_the_same(
    tmp_path: Path,
) -> None:
    """At three in the morning somebody else's lock is what one wants to see through."""

    async def main() -> None:
        path = tmp_path / "jobs.db"
        async with Engine(SqliteStore(path)) as engine:
            ended = (await engine.submit(greet("a"))).job_id
            await engine.cancel(ended)
            await engine.submit(greet("a"))
            job_id, _ = await claimed(engine)
            locker = sqlite3.connect(path, isolation_level=None)
            locker.execute("BEGIN IMMEDIATE")
            said = await asyncio.wait_for(ExplainEngine(engine.store).why(job_id), 5)
            over = await asyncio.wait_for(ExplainEngine(engine.store).why(ended), 5)
            locker.execute("ROLLBACK")
            locker.close()
        assert (said.status, over.status) == (Status.RUNNING, Status.CANCELLED)

    asyncio.run(main())
