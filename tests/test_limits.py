"""Limits, rates, pauses and priorities, through the engine, on each store."""

# ruff: noqa: ARG001 - every handler takes its context

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parcae import Context, Engine, Jobs, Reason, Rejected, Status, Timing, fsck, seconds
from parcae.answers import Granted
from parcae.ports import Store
from parcae.values import WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore

jobs = Jobs()
KINDS = frozenset({"call", "other"})


@jobs.job("call", queue="api", timing=Timing(stale_after=seconds(60)))
async def call(ctx: Context, number: int) -> int:
    """A call to somebody else's service."""
    return number


@jobs.job("other", queue="api", priority=5)
async def other(ctx: Context, number: int) -> int:
    """The same queue, another kind."""
    return number


Scenario = Callable[[Engine, ManualClock], Coroutine[Any, Any, None]]
Play = Callable[[Scenario], None]


@pytest.fixture(params=["memory", "sqlite"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on a store, and checks every history afterwards."""

    async def run(scenario: Scenario) -> None:
        clock = ManualClock()
        store: Store = (
            MemoryStore(clock=clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / "jobs.db", clock=clock)
        )
        async with Engine(store) as engine:
            await scenario(engine, clock)
            report = await fsck(store)
            assert report.clean, report.findings

    return lambda scenario: asyncio.run(run(scenario))


class Crew:
    """Workers that claim by name; each request is a new one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.requests = 0

    async def claim(self, limit: int = 10, kinds: frozenset[str] = KINDS) -> list[Granted]:
        self.requests += 1
        request = f"request-{self.requests}"
        granted = await self.engine.claim(WorkerId("w"), kinds, request=request, limit=limit)
        return list(granted)

    async def finish(self, granted: Granted) -> None:
        job_id, token = granted.job.id, granted.lease.token
        await self.engine.start_phase(job_id, token, "run")
        await self.engine.complete_phase(job_id, token, "run")


def test_given_a_limit_when_more_wait_then_so_many_start_and_each_end_lets_one_in(
    play: Play,
) -> None:
    """S6, L2."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 2)
        handles = [await engine.submit(call(n)) for n in range(5)]
        first = await crew.claim()
        assert [one.job.id for one in first] == [one.job_id for one in handles[:2]]
        assert await crew.claim() == []
        await crew.finish(first[0])
        (third,) = await crew.claim()
        assert third.job.id == handles[2].job_id
        await engine.fail(third.job.id, third.lease.token, _error())
        (fourth,) = await crew.claim()
        assert fourth.job.id == handles[3].job_id

    play(scenario)


def test_given_a_limit_of_each_key_when_one_key_is_full_then_the_others_go_on(play: Play) -> None:
    """S6, S7: keys are lines of their own."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 1, each=True)
        await engine.limit("api", 2, key="big")
        for n, key in enumerate("aaabbbb"):
            await engine.submit(call(n), key=key)
        for n in range(3):
            await engine.submit(call(n), key="big")
        keys = [one.job.spec.lane.key for one in await crew.claim(limit=100)]
        assert keys == ["a", "b", "big", "big"]
        assert await crew.claim() == []

    play(scenario)


def test_given_a_crash_when_its_lease_is_settled_then_the_slot_is_free_in_that_commit(
    play: Play,
) -> None:
    """S6, L2, L3: the slot of a crashed run is a view of its state, so it cannot leak."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 1)
        await engine.submit(call(1))
        await engine.submit(call(2))
        (lost,) = await crew.claim()
        clock.set(lost.expires_at)
        assert await crew.claim() == []
        assert len(await engine.reconcile()) == 1
        (following,) = await crew.claim()
        assert following.job.id != lost.job.id

    play(scenario)


def test_given_a_lower_limit_then_nothing_that_runs_is_touched(play: Play) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        for n in range(4):
            await engine.submit(call(n))
        running = await crew.claim(limit=3)
        assert len(running) == 3
        await engine.limit("api", 1)
        assert await crew.claim() == []
        for one in running[:2]:
            await crew.finish(one)
        assert await crew.claim() == []
        await crew.finish(running[2])
        assert len(await crew.claim()) == 1

    play(scenario)


def test_given_a_paused_queue_then_nothing_starts_nor_goes_stale_until_it_is_resumed(
    play: Play,
) -> None:
    """Rule 2: staleness counts from becoming due, and not while paused."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        handle = await engine.submit(call(1))
        clock.advance(seconds(30))
        paused = await engine.pause("api", by="anna")
        assert paused.paused
        assert await crew.claim() == []
        for _ in range(5):
            clock.advance(seconds(50))
            assert await engine.reconcile() == ()
        await engine.resume_queue("api")
        clock.advance(seconds(59))
        assert await engine.reconcile() == ()
        (granted,) = await crew.claim()
        assert granted.job.id == handle.job_id

    play(scenario)


def test_given_a_resumed_queue_when_a_whole_patience_has_passed_then_a_job_is_stale(
    play: Play,
) -> None:
    """L1: a pause delays the end, and no more than that."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        handle = await engine.submit(call(1))
        await engine.pause("api")
        clock.advance(seconds(500))
        await engine.reconcile()
        await engine.resume_queue("api")
        clock.advance(seconds(60))
        for _ in range(3):
            await engine.reconcile()
            clock.advance(seconds(60))
        assert (await engine.show(handle.job_id)).status is Status.FAILED

    play(scenario)


def test_given_a_rate_then_starts_are_spread_and_a_quiet_time_allows_a_burst(play: Play) -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.rate("api", 1, seconds(10), burst=2)
        for n in range(5):
            await engine.submit(call(n))
        assert len(await crew.claim()) == 2
        assert await crew.claim() == []
        due = await engine.store.next_due(clock.now())
        assert due == clock.now() + seconds(10)
        clock.set(due)
        assert len(await crew.claim()) == 1
        clock.advance(seconds(40))
        assert len(await crew.claim()) == 2

    play(scenario)


def test_given_a_rate_that_is_changed_then_it_counts_from_the_last_start(play: Play) -> None:
    """Limits can be changed while running: a day's wait is not waited out at ten a second."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.rate("api", 1, timedelta(days=1))
        for n in range(3):
            await engine.submit(other(n))
        assert len(await crew.claim()) == 1
        clock.advance(timedelta(hours=1))
        assert await crew.claim() == []
        await engine.rate("api", 10, seconds(1))
        assert len(await crew.claim()) == 1
        await engine.rate("api", 1, timedelta(days=1))
        clock.advance(timedelta(hours=23))
        assert await crew.claim() == []
        clock.advance(timedelta(hours=1))
        assert len(await crew.claim()) == 1

    play(scenario)


def test_given_what_can_be_no_queue_then_nothing_is_set_for_it(play: Play) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        for name in ("", "a\nb", "x" * 201):
            with pytest.raises(ValueError, match="expected 1 to 200 printable characters"):
                await engine.pause(name)

    play(scenario)


def test_given_rates_of_keys_then_each_has_its_own(play: Play) -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.rate("api", 1, seconds(10), each=True)
        for n in range(4):
            await engine.submit(call(n), key="ab"[n % 2])
        assert [one.job.spec.lane.key for one in await crew.claim()] == ["a", "b"]
        clock.advance(seconds(10))
        assert len(await crew.claim()) == 2

    play(scenario)


def test_given_priorities_then_the_greater_goes_first_and_within_one_the_earlier(
    play: Play,
) -> None:
    """S7."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        low = [await engine.submit(call(n)) for n in range(2)]
        high = [await engine.submit(other(n)) for n in range(2)]
        order = [one.job.id for one in await crew.claim()]
        assert order == [one.job_id for one in (*high, *low)]

    play(scenario)


def test_given_aging_then_no_job_is_overtaken_by_more_later_ones_than_that(play: Play) -> None:
    """One level is worth two places, so five levels are worth ten: the tenth comes after it."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        await engine.aging("api", 2)
        waiting = await engine.submit(call(0))
        for n in range(20):
            await engine.submit(other(n))
        order = [one.job.id for one in await crew.claim(limit=30)]
        assert order.index(waiting.job_id) == 9

    play(scenario)


def test_given_a_job_for_later_then_it_blocks_none_that_is_due(play: Play) -> None:
    """S7: procrastinate#1599."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 1)
        later = await engine.submit(call(1), run_at=clock.now() + timedelta(hours=1))
        now = await engine.submit(call(2))
        (granted,) = await crew.claim()
        assert granted.job.id == now.job_id
        await crew.finish(granted)
        clock.advance(timedelta(hours=1))
        assert [one.job.id for one in await crew.claim()] == [later.job_id]

    play(scenario)


def test_given_what_a_claimer_does_not_serve_then_it_blocks_nobody(play: Play) -> None:
    """S7: of a kind that the claimer serves."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 1)
        await engine.submit(other(1))
        mine = await engine.submit(call(2))
        granted = await crew.claim(kinds=frozenset({"call"}))
        assert [one.job.id for one in granted] == [mine.job_id]

    play(scenario)


def test_given_a_retry_then_it_takes_a_new_place_and_a_release_keeps_the_old_one(
    play: Play,
) -> None:
    """S7, rule 7."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        crew = Crew(engine)
        await engine.limit("api", 1)
        first, second, third = [await engine.submit(call(n)) for n in range(3)]
        (granted,) = await crew.claim()
        await engine.release(first.job_id, granted.lease.token)
        (again,) = await crew.claim()
        assert again.job.id == first.job_id
        await engine.fail(first.job_id, again.lease.token, _error())
        clock.advance(seconds(30))
        for expected in (second, third, first):
            (granted,) = await crew.claim()
            assert granted.job.id == expected.job_id
            await crew.finish(granted)

    play(scenario)


def test_given_a_repeated_claim_then_it_is_granted_the_same_though_the_lane_is_full(
    play: Play,
) -> None:
    """S25, S6."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        await engine.limit("api", 1)
        await engine.submit(call(1))
        await engine.submit(call(2))
        worker = WorkerId("w")
        first = await engine.claim(worker, KINDS, request="r", limit=2)
        again = await engine.claim(worker, KINDS, request="r", limit=2)
        assert [one.lease for one in first] == [one.lease for one in again]
        assert len(first) == 1

    play(scenario)


def test_given_wrong_settings_then_each_is_refused_and_says_what_was_expected(
    play: Play,
) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        for limit in (0, -1, 10**9):
            with pytest.raises(ValueError, match="expected limit from 1"):
                await engine.limit("api", limit)
        with pytest.raises(Rejected, match="or each") as refused:
            await engine.limit("api", 1, key="a", each=True)
        assert refused.value.reason is Reason.BAD_INPUT
        with pytest.raises(ValueError, match="expected count"):
            await engine.rate("api", 0)
        assert (await engine.queue("api")).version == 0

    play(scenario)


def test_given_the_same_setting_twice_then_it_is_recorded_once(play: Play) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        once = await engine.limit("api", 3)
        twice = await engine.limit("api", 3)
        assert once == twice
        assert twice.version == 1
        none = await engine.limit("api", None)
        assert none.bounds.limit is None

    play(scenario)


def _error() -> Any:
    from parcae import Error

    return Error(type="builtins.RuntimeError", message="no")
