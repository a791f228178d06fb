"""A deploy that migrates living jobs: at a worker's start, when one is given one, and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcae import (
    Context,
    Engine,
    GiveUp,
    Job,
    JobId,
    Jobs,
    Moves,
    Retry,
    RetryMode,
    Shape,
    Status,
    fsck,
    seconds,
)
from parcae import events as e
from parcae.deploys import DeployEngine, Fate
from parcae.handlers import result_blob
from parcae.host_engine import HostEngine
from parcae.shapes import Verdict
from parcae.values import TERMINAL, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_adapters.worker import Worker

SOON = seconds(20)
Move = Callable[[Shape], Moves]


def old() -> Jobs:
    """Version 1: reserve, charge, ship; the first two have undos."""
    jobs = Jobs()
    saga = jobs.saga("order", version=1)

    @saga.phase
    async def reserve(_: Context, number: int) -> int:
        return number

    @reserve.undo
    async def release(_: Context, number: int, result: int) -> None: ...

    @saga.phase
    async def charge(_: Context, number: int) -> int:
        return number * 100

    @charge.undo(unknown=True)
    async def refund(_: Context, number: int, result: int | None) -> None: ...

    @saga.phase
    async def ship(_: Context, number: int) -> None: ...

    return jobs


def renamed(_: Shape) -> Moves:
    return Moves(renamed={"charge": "pay"}, passed=("greet",))


def new(
    ran: list[str],
    move: Move | None = renamed,
    *,
    fails: bool = False,
    version: str = "2",
    since: str = "1",
) -> Jobs:
    """Version 2: greet, reserve, pay (once called charge), check, ship."""
    jobs = Jobs()
    saga = jobs.saga(
        "order", version=version, changed="migrate", retry=Retry(max_attempts=2, jitter=0)
    )
    if move is not None:
        saga.migrate(since)(move)

    @saga.phase
    async def greet(_: Context, number: int) -> None:
        ran.append("greet" * bool(number))

    @saga.phase
    async def reserve(_: Context, number: int) -> int:
        ran.append("reserve")
        return number

    @reserve.undo
    async def release(_: Context, number: int, result: int) -> None:
        assert number == result
        ran.append("release")

    @saga.phase
    async def pay(ctx: Context, number: int) -> int:
        ran.append(f"pay {ctx.idempotency_key.removeprefix(ctx.job_id)}")
        return number * 100

    @pay.undo(unknown=True)
    async def refund(ctx: Context, number: int, result: int | None) -> None:
        assert result in (None, number * 100)
        ran.append(f"refund {result} {ctx.idempotency_key.removeprefix(ctx.job_id)}")

    @saga.phase
    async def check(ctx: Context, number: int) -> None:
        assert ctx.result(pay) == number * 100
        ran.append("check")
        if fails:
            raise GiveUp("it is not there")

    @saga.phase
    async def ship(_: Context, number: int) -> str:
        ran.append("ship" * bool(number))
        return "shipped"

    return jobs


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def under_way(engine: Engine, steps: int, *, give_back: bool = True) -> JobId:
    """A job of version 1 that has done so many of its phases."""
    job_id = (await engine.submit(old()["order"](7))).job_id
    if steps or not give_back:
        request = f"for {job_id}"
        host = HostEngine(engine.store)
        granted = await host.claim_named(job_id, WorkerId("ann"), request=request)
        token = granted.lease.token
        for name, value in (("reserve", 7), ("charge", 700))[:steps]:
            await engine.start_phase(job_id, token, name)
            await engine.complete_phase(job_id, token, name, result_blob(name, value))
        if give_back:
            await engine.release(job_id, token)
    return job_id


async def job_of(engine: Engine, job_id: JobId) -> Job:
    stored = await engine.stored(job_id)
    assert stored is not None
    return stored.job


def test_s11_given_jobs_everywhere_then_a_worker_migrates_them_as_it_starts(
    tmp_path: Path,
) -> None:
    """S5, S11: nothing done is done again, what is new is done, and the history says all that."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            ids = [await under_way(engine, steps) for steps in (0, 1, 2)]
            ran: list[str] = []
            async with Worker(engine, new(ran), name="bob", concurrency=1):
                for one in ids:
                    assert (await engine.wait(one, SOON)).result == "shipped"
            assert ran == [
                *("greet", "reserve", "pay /charge", "check", "ship"),
                *("pay /charge", "check", "ship"),
                *("check", "ship"),
            ]
            (event,) = [
                one.event
                for one in await engine.history(ids[1])
                if isinstance(one.event, e.Migrated)
            ]
            assert event.by == "bob"
            job = await job_of(engine, ids[1])
            assert (job.spec.definition, job.attempts) == ("2", 0)
            assert [one.name for one in job.spec.phases] == ["reserve", "pay", "check", "ship"]
            told = await engine.why(ids[1])
            assert any("took the shape of version 2" in one for one in told.past)
            assert (await fsck(engine.store)).clean
        # Another process reads what was admitted, and what became of it, from the file.
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            assert await job_of(engine, ids[1]) == job

    play(scenario())


def test_s12_s13_given_a_migrated_job_that_fails_then_it_undoes_all_that_it_did(
    tmp_path: Path,
) -> None:
    """S12, S13: with the result under the old name, by the undo of today, in the right order."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            former, ran = await under_way(engine, 2), list[str]()
            jobs = new(ran, fails=True)
            async with Worker(engine, jobs):
                assert (await engine.wait(former, SOON)).status is Status.COMPENSATED
                assert ran == ["check", "refund 700 /charge/undo", "release"]
                ran.clear()
                again = await engine.retry(former, RetryMode.FROM_START)
                assert (await again.wait(SOON)).status is Status.COMPENSATED
                assert ran[:2] == ["greet", "reserve"]
            assert (await fsck(engine.store)).clean

    play(scenario())


def test_s12_given_a_job_that_undoes_then_it_is_migrated_too(tmp_path: Path) -> None:
    """S12, S13: the undo of what is called otherwise today is that of today."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            former, ran = await under_way(engine, 2), list[str]()
            await engine.cancel(former)
            assert (await job_of(engine, former)).status is Status.COMPENSATING
            async with Worker(engine, new(ran)):
                assert (await engine.wait(former, SOON)).status is Status.COMPENSATED
            assert ran == ["refund 700 /charge/undo", "release"]

    play(scenario())


def test_s3_given_a_job_that_is_held_at_the_start_then_it_is_migrated_when_it_is_free(
    tmp_path: Path,
) -> None:
    """S3, S19, S29: given to a worker of today it is given back once, migrated and run."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            held, ran = await under_way(engine, 1, give_back=False), list[str]()
            jobs = new(ran)
            (stray,) = (await DeployEngine(engine.store).look(jobs)).strays
            assert (stray.error, stray.jobs, stray.held, stray.migrate) == (False, 1, 1, 1)
            assert "1 of 1 can take today's shape" in str(stray)
            assert "never runs" not in str(stray)
            async with Worker(engine, jobs):
                job = await job_of(engine, held)
                assert job.lease is not None
                await engine.release(held, job.lease.token)
                # A host that was not deployed yet goes on with admitting the old shape.
                late = await engine.submit(old()["order"](8))
                assert (await engine.wait(held, SOON)).completed
                assert (await engine.wait(late.job_id, SOON)).completed
            job = await job_of(engine, held)
            assert (job.attempts, job.spec.definition) == (0, "2")
            assert ran.count("reserve") == 1

    play(scenario())


def broken(shape: Shape) -> Moves:
    raise KeyError(shape.version)


def test_s18_given_a_broken_function_then_a_worker_does_not_start(tmp_path: Path) -> None:
    """S18: and nothing is changed."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            former = await under_way(engine, 1)
            before = await engine.store.log()
            with pytest.raises(ValueError, match="from version 1 failed: KeyError: '1'"):
                await Worker(engine, new([], broken)).run()
            nothing: Any = lambda _: None  # noqa: E731 - a function that returns no moves
            with pytest.raises(ValueError, match="TypeError: expected Moves, got None"):
                await Worker(engine, new([], nothing)).run()
            assert await engine.store.log() == before
            fit = new([], broken)["order"].fit(await job_of(engine, former))
            assert fit.verdict is Verdict.GIVE_BACK
            assert "from version 1 failed" in str(fit)

    play(scenario())


def test_given_something_that_would_be_lost_then_the_job_is_left_and_the_reason_told(
    tmp_path: Path,
) -> None:
    """S11, S13, S18: it finishes as it was admitted, where its old code is kept."""

    def forgets(_: Shape) -> Moves:
        return Moves(passed=("greet",))

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            fine, lost = await under_way(engine, 1), await under_way(engine, 2)
            deploys = DeployEngine(engine.store)
            (stray,) = (await deploys.look(new([], forgets))).strays
            assert (stray.error, stray.migrate) == (True, 1)
            assert "1 of 2 can take today's shape" in str(stray)
            assert "it has done phase 'charge', or may have: say what that is today" in str(stray)
            assert "no handler for the undo of 'charge'" in str(stray)
            with pytest.raises(ValueError, match="no handler for the undo of 'charge'"):
                await Worker(engine, new([], forgets)).run()
            jobs = new([], forgets)

            @jobs["order"].phase(retired=True)
            async def charge(_: Context, number: int) -> int:
                return number

            @charge.undo(retired=True, unknown=True)
            async def refund(_: Context, number: int, result: int | None) -> None: ...

            seen = [one async for one in deploys.migrate(jobs, ["order"], dry_run=True)]
            assert {one.job_id: one.fate for one in seen} == {
                fine: Fate.MIGRATED,
                lost: Fate.UNFIT,
            }
            async with Worker(engine, jobs):
                assert (await engine.wait(lost, SOON)).completed
            job = await job_of(engine, lost)
            assert [one.name for one in job.spec.phases] == ["reserve", "charge", "ship"]

    play(scenario())


def test_given_no_function_for_a_version_then_its_jobs_are_left(tmp_path: Path) -> None:
    """An older worker that still runs does not take newer jobs back to its own shape."""

    async def scenario() -> None:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            later = await engine.submit(new([], version="3", since="2")["order"](1))
            jobs = new([])
            assert [one async for one in DeployEngine(engine.store).migrate(jobs, ["order"])] == []
            assert jobs["order"].fit(await job_of(engine, later.job_id)).verdict is Verdict.RUN

    play(scenario())


@pytest.mark.parametrize("versions", [(), ("2",), ("1",), ("3", "3"), (2,)])
def test_given_versions_that_make_no_sense_then_they_are_refused(versions: Any) -> None:
    saga = new([])["order"]
    with pytest.raises(TypeError, match="older versions of saga 'order' that have no function"):
        saga.migrate(*versions)
    with pytest.raises(TypeError, match="expected saga 'order' to have changed='migrate'"):
        old()["order"].migrate("0")


NAMES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)


def letters(names: list[str], version: str, ran: list[str], fails: str, move: Moves | None) -> Jobs:
    """A saga of these phases, each with an undo, of which one may fail."""
    jobs = Jobs()
    changed = "refuse" if move is None else "migrate"
    saga = jobs.saga("letters", version=version, changed=changed, retry=Retry(max_attempts=1))
    if move is not None:
        saga.migrate("1")(lambda _: move)
    for name in names:

        @saga.phase(name=name)
        async def run(ctx: Context) -> str:
            if ctx.phase == fails:
                raise GiveUp(ctx.phase)
            ran.append(ctx.idempotency_key.removeprefix(f"{ctx.job_id}/"))
            return ran[-1]

        @run.undo(unknown=True)
        async def back(ctx: Context, result: str | None) -> None:
            key = ctx.idempotency_key.removeprefix(f"{ctx.job_id}/")
            assert result is None or key == f"{result}/undo"
            ran.append(key)

    return jobs


@settings(max_examples=50, deadline=None)
@given(NAMES, NAMES, st.integers(0, 3), st.permutations("abcd"), st.booleans())
def test_s1_s11_s12_given_any_two_shapes_then_a_real_worker_brings_the_job_to_its_end(
    was: list[str], now: list[str], steps: int, order: list[str], fails: bool
) -> None:
    """S1, S5, S11, S12, S13: each phase is done once, and undone once in the reverse order."""
    pairs = [(one, other) for one, other in zip("abcd", order, strict=True)
             if one in was and other in now]  # fmt: skip

    async def scenario() -> None:
        engine = Engine(MemoryStore(clock=ManualClock()))
        ran: list[str] = []
        before = letters(was, "1", ran, "", None)
        job_id = (await engine.submit(before["letters"]())).job_id
        (granted,) = await engine.claim(WorkerId("ann"), frozenset({"letters"}), request="r")
        token = granted.lease.token
        for name in was[: min(steps, len(was) - 1)]:
            await engine.start_phase(job_id, token, name)
            ran.append(name)
            await engine.complete_phase(job_id, token, name, result_blob(name, name))
        await engine.release(job_id, token)
        moves = Moves(renamed=pairs, passed=tuple(now))
        after = letters(now, "2", ran, now[-1] if fails else "", moves)
        first = await job_of(engine, job_id)
        (aside,) = [one async for one in DeployEngine(engine.store).migrate(after, ["letters"])]
        job = await job_of(engine, job_id)
        if aside.fate is Fate.UNFIT:
            assert job == first
            return
        assert aside.fate is Fate.MIGRATED
        await run_until_idle(engine, after)
        job = await job_of(engine, job_id)
        assert job.status in TERMINAL
        done = [one for one in ran if not one.endswith("/undo")]
        assert len(set(done)) == len(done)
        if job.status is not Status.COMPLETED:
            assert [one for one in ran if one.endswith("/undo")] == [
                f"{one}/undo" for one in reversed(done)
            ]
        assert (await fsck(engine.store)).clean

    play(scenario())
