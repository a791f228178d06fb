"""Constraints: one job stands for all others of its name."""

# ruff: noqa: ARG001 - every handler takes its context

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from parcae import (
    Context,
    Engine,
    Jobs,
    Reason,
    Rejected,
    Status,
    Unique,
    fsck,
    minutes,
    seconds,
)
from parcae.ports import Store
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle

jobs = Jobs()


@jobs.job("sync")
async def sync(ctx: Context, account: str) -> str:
    """Brings an account up to date."""
    return account


@jobs.job("index", unique=Unique(name="the index", until="started"))
async def index(ctx: Context, at: int) -> None:
    """Unique by its definition."""


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


def test_given_unique_until_it_ended_then_others_are_told_which_job_stands(play: Play) -> None:
    """S17."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        once = Unique()
        first = await engine.submit(sync("a"), unique=once)
        again = await engine.submit(sync("a"), unique=once)
        other = await engine.submit(sync("b"), unique=once)
        assert again.admitted.duplicate
        assert again.job_id == first.job_id
        assert other.job_id != first.job_id
        await run_until_idle(engine, jobs)
        later = await engine.submit(sync("a"), unique=once)
        assert not later.admitted.duplicate

    play(scenario)


def test_given_unique_until_it_started_then_one_may_wait_while_one_runs(play: Play) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        first = await engine.submit(index(1))
        assert (await engine.submit(index(2))).job_id == first.job_id
        (granted,) = await engine.claim("w", jobs.kinds, request="1")  # type: ignore[arg-type]
        second = await engine.submit(index(3))
        assert not second.admitted.duplicate
        assert (await engine.submit(index(4))).job_id == second.job_id
        # Given back, the first waits again, but it has started once: the second stands.
        await engine.release(granted.job.id, granted.lease.token)
        assert (await engine.submit(index(5))).job_id == second.job_id

    play(scenario)


def test_given_unique_for_a_period_then_ends_and_deletions_do_not_matter(play: Play) -> None:
    """S17, S22."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        hourly = Unique(name="report", until="expired", period=minutes(60))
        first = await engine.submit(sync("a"), unique=hourly)
        await run_until_idle(engine, jobs)
        await engine.delete(first.job_id)
        again = await engine.submit(sync("a"), unique=hourly)
        assert again.job_id == first.job_id
        assert again.admitted.deleted
        clock.advance(minutes(60))
        assert not (await engine.submit(sync("a"), unique=hourly)).admitted.duplicate

    play(scenario)


def test_given_unique_for_ever_then_nothing_frees_it(play: Play) -> None:
    """S17."""

    async def scenario(engine: Engine, clock: ManualClock) -> None:
        for_ever = Unique(name="setup", until="forever")
        first = await engine.submit(sync("a"), unique=for_ever)
        await run_until_idle(engine, jobs)
        await engine.delete(first.job_id)
        clock.advance(minutes(10_000))
        assert (await engine.submit(sync("a"), unique=for_ever)).job_id == first.job_id

    play(scenario)


def test_given_replace_then_the_waiting_one_is_cancelled_and_a_started_one_is_not(
    play: Play,
) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        latest = Unique(name="draft", replace=True)
        first = await engine.submit(sync("old"), unique=latest)
        second = await engine.submit(sync("new"), unique=latest)
        assert second.job_id != first.job_id
        assert (await engine.show(first.job_id)).status is Status.CANCELLED
        await engine.claim("w", jobs.kinds, request="1")  # type: ignore[arg-type]
        third = await engine.submit(sync("newer"), unique=latest)
        assert third.job_id == second.job_id

    play(scenario)


def test_given_replace_when_others_wait_for_the_job_then_it_stands(play: Play) -> None:
    async def scenario(engine: Engine, _: ManualClock) -> None:
        latest = Unique(name="draft", replace=True)
        first = await engine.submit(sync("old"), unique=latest)
        await engine.submit(sync("after"), after=[first.job_id])
        second = await engine.submit(sync("new"), unique=latest)
        assert second.job_id == first.job_id

    play(scenario)


def test_given_replace_when_the_new_one_waits_for_the_old_one_then_that_stands(play: Play) -> None:
    """L1: its end would be told to nobody."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        latest = Unique(name="latest", replace=True)
        first = await engine.submit(sync("a"), unique=latest)
        second = await engine.submit(sync("b"), unique=latest, after=[first.job_id])
        assert second.admitted.duplicate
        assert second.job_id == first.job_id
        await run_until_idle(engine, jobs)
        assert (await first.wait()).completed

    play(scenario)


def test_given_debounce_when_asked_for_later_then_not_before_means_not_before(play: Play) -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        calm = Unique(name="save", replace=True, delay=seconds(10), at_most=seconds(25))
        later = clock.now() + minutes(10)
        handle = await engine.submit(sync("later"), unique=calm, run_at=later)
        assert (await engine.show(handle.job_id)).spec.run_at == later

    play(scenario)


def test_given_debounce_then_it_runs_once_after_the_last_but_not_later_than_promised(
    play: Play,
) -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        calm = Unique(name="save", replace=True, delay=seconds(10), at_most=seconds(25))
        begun = clock.now()
        for n in range(3):
            await engine.submit(sync(f"{n}"), unique=calm)
            clock.advance(seconds(8))
        last = await engine.submit(sync("last"), unique=calm)
        job = await engine.show(last.job_id)
        run_at = job.spec.run_at
        assert run_at == begun + seconds(25)
        alive = [one for one in (await engine.find(_all())).jobs if not one.job.status.is_terminal]
        assert len(alive) == 1

    play(scenario)


def test_given_many_at_once_then_exactly_one_is_admitted(play: Play) -> None:
    """S17: under any race."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        once = Unique(name="one")
        handles = await asyncio.gather(
            *(engine.submit(sync(f"{n}"), unique=once) for n in range(50))
        )
        assert len({one.job_id for one in handles}) == 1
        assert sum(not one.admitted.duplicate for one in handles) == 1

    play(scenario)


def test_given_an_idempotency_key_too_then_it_names_the_job_that_stands(play: Play) -> None:
    """S17."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        once = Unique()
        first = await engine.submit(sync("a"), unique=once)
        keyed = await engine.submit(sync("a"), unique=once, idempotency_key="k")
        await run_until_idle(engine, jobs)
        again = await engine.submit(sync("a"), unique=once, idempotency_key="k")
        assert first.job_id == keyed.job_id == again.job_id

    play(scenario)


@pytest.mark.parametrize("callback", [False, True])
def test_given_a_group_then_none_of_its_jobs_can_be_stood_for(play: Play, callback: bool) -> None:
    """S17: ignored in silence, two would stand for one constraint."""

    async def scenario(engine: Engine, _: ManualClock) -> None:
        asked: list[Any] = [sync("a")] if callback else [sync("a"), index(1)]
        with pytest.raises(Rejected, match="'index' has a uniqueness constraint") as refused:
            await engine.submit_many(asked, callback=index(2) if callback else None)
        assert refused.value.reason is Reason.BAD_INPUT
        assert not (await engine.find(_all())).jobs

    play(scenario)


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": "expired"},
        {"period": seconds(1)},
        {"delay": seconds(1)},
        {"at_most": seconds(1)},
        {"until": "tomorrow"},
    ],
)
def test_given_a_constraint_that_makes_no_sense_then_it_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|valid"):
        Unique(**wrong)


def _all() -> Any:
    from parcae import Query

    return Query()
