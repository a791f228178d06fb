"""A deploy over jobs that live: what is found, who is refused, and what becomes of each job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from parcae import (
    Cause,
    Context,
    Engine,
    Job,
    JobId,
    Jobs,
    RetryMode,
    Status,
    fsck,
    seconds,
)
from parcae import events as e
from parcae.deploys import DeployEngine, Fate
from parcae.handlers import result_blob
from parcae.shapes import Changed, DifferenceKind
from parcae.strays import Deploy
from parcae.values import WorkerId
from parcae.worker_engine import WorkerEngine
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_adapters.worker import Worker

SOON = seconds(20)
WORKER = WorkerId("ann")


def old(ran: list[str]) -> Jobs:
    """Version 1: reserve (has an undo), charge, ship."""
    jobs = Jobs()
    saga = jobs.saga("order", version=1)

    @saga.phase
    async def reserve(_: Context, number: int) -> int:
        ran.append("reserve")
        return number

    @reserve.undo
    async def release(_: Context, number: int, result: int) -> None:
        assert number == result
        ran.append("release")

    @saga.phase
    async def charge(_: Context, number: int) -> None:
        ran.append(f"charge {number}")

    @saga.phase
    async def ship(_: Context, number: int) -> None:
        ran.append(f"ship {number}")

    return jobs


def new(ran: list[str], changed: str = "refuse", *, keep: bool = False, version: str = "2") -> Jobs:
    """Version 2: reserve, pack, ship; where ``keep`` says so, charge for old jobs besides."""
    jobs = Jobs()
    saga = jobs.saga("order", version=version, changed=changed)

    @saga.phase
    async def reserve(_: Context, number: int) -> int:
        ran.append("reserve anew")
        return number

    @reserve.undo
    async def release(_: Context, number: int, result: int) -> None:
        assert number == result
        ran.append("release anew")

    @saga.phase
    async def pack(_: Context, number: int) -> None:
        ran.append(f"pack {number}")

    @saga.phase
    async def ship(_: Context, number: int) -> None:
        ran.append(f"ship {number} anew")

    if keep:

        @saga.phase(retired=True)
        async def charge(_: Context, number: int) -> None:
            ran.append(f"charge {number}, kept")

    return jobs


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def half_done(engine: Engine, jobs: Jobs, number: int = 1) -> JobId:
    """A job that has reserved, and was given back before it charged."""
    job_id = (await engine.submit(jobs["order"](number))).job_id
    await reserved(engine, job_id)
    return job_id


async def reserved(engine: WorkerEngine, job_id: JobId) -> None:
    (granted,) = await engine.claim(WORKER, frozenset({"order"}), request=f"for {job_id}")
    assert granted.job.id == job_id
    token = granted.lease.token
    await engine.start_phase(job_id, token, "reserve")
    await engine.complete_phase(job_id, token, "reserve", result_blob("reserve", 1))
    await engine.release(job_id, token)


@asynccontextmanager
async def engine_on(path: Path) -> AsyncIterator[Engine]:
    """An engine on a file; left behind is a store without a contradiction (S5)."""
    async with Engine(SqliteStore(path / "jobs.db")) as engine:
        yield engine
        assert (await fsck(engine.store)).clean


async def job_of(engine: Engine, job_id: JobId) -> Job:
    stored = await engine.stored(job_id)
    assert stored is not None
    return stored.job


def test_given_no_job_of_another_shape_then_a_worker_starts_without_a_word(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            jobs = new([])
            await engine.submit(jobs["order"](1))
            found = await DeployEngine(engine.store).look(jobs)
            assert found == Deploy(looked_at=1)
            # Another version alone is no other shape.
            same = await DeployEngine(engine.store).look(new([], version="3"))
            assert same.strays == ()

    play(scenario())


def test_given_jobs_of_another_shape_when_nobody_has_chosen_then_a_worker_does_not_start(
    tmp_path: Path,
) -> None:
    """S18: and the refusal says what differs, what it means and how to choose."""

    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            ids = [await half_done(engine, old([]))]
            ids += [(await engine.submit(old([])["order"](n))).job_id for n in range(2, 6)]
            (stray,) = (await DeployEngine(engine.store).look(new([]))).strays
            assert (stray.jobs, stray.held, stray.version, stray.now) == (5, 0, "1", "2")
            assert len(stray.examples) == 3
            assert set(stray.examples) <= set(ids)
            assert [(one.kind, one.phase) for one in stray.differences] == [
                (DifferenceKind.REMOVED, "charge"),
                (DifferenceKind.ADDED, "pack"),
            ]
            before = await engine.store.log()
            with pytest.raises(ValueError, match="5 living jobs of version 1") as refused:
                await Worker(engine, new([])).run()
            for part in (
                *("the job has a phase 'charge', the definition has none of that name", "pack"),
                *("There is no handler for phase 'charge'", "retired=True", "changed='finish'"),
                "changed='quarantine'",
            ):
                assert part in str(refused.value)
            with pytest.raises(ValueError, match="living jobs"):
                async with Worker(engine, new([], keep=True)):
                    pytest.fail("it began")
            unchanged = new([], version="1")
            with pytest.raises(ValueError, match="give the definition another version than 1"):
                await Worker(engine, unchanged).run()
            # It works where none of them is.
            async with Worker(engine, new([]), queues=["other"]):
                pass
            assert await engine.store.log() == before

    play(scenario())


def test_given_finish_without_a_handler_that_is_needed_then_a_worker_does_not_start(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            await half_done(engine, old([]))
            with pytest.raises(ValueError, match="no handler for phase 'charge'") as refused:
                await Worker(engine, new([], "finish")).run()
            assert "and choose" not in str(refused.value)

    play(scenario())


def test_s11_given_finish_then_old_jobs_go_their_own_way_and_new_ones_the_new(
    tmp_path: Path,
) -> None:
    """S11: nothing completed is run again, whichever code completed it."""

    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            ran: list[str] = []
            former = await half_done(engine, old([]))
            jobs = new(ran, "finish", keep=True)
            latter = await engine.submit(jobs["order"](2))
            async with Worker(engine, jobs, concurrency=1):
                assert (await engine.wait(former, SOON)).completed
                assert (await latter.wait(SOON)).completed
            assert ran == [
                *("charge 1, kept", "ship 1 anew"),
                *("reserve anew", "pack 2", "ship 2 anew"),
            ]
            assert (await job_of(engine, former)).attempts == 0

    play(scenario())


def test_s12_s13_given_quarantine_then_what_is_owed_is_said_and_can_be_undone_later(
    tmp_path: Path,
) -> None:
    """S12, S13: a worker that starts puts them aside; whoever retries has them undone, once."""

    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            ran: list[str] = []
            former = await half_done(engine, old([]))
            jobs = new(ran, "quarantine")
            async with Worker(engine, jobs, name="bob"):
                outcome = await engine.wait(former, SOON)
                assert (outcome.status, outcome.cause) == (
                    Status.QUARANTINED,
                    Cause.DEFINITION_CHANGED,
                )
                job = await job_of(engine, former)
                assert [one.phase for one in job.undos] == ["reserve"]
                note, last = [one.event for one in await engine.history(former)][-2:]
                assert isinstance(note, e.Annotated)
                assert isinstance(last, e.Quarantined)
                assert note.by == "bob"
                assert note.note.startswith("admitted with version 1, now there is 2: the job has")
                told = await engine.why(former)
                assert "its definition has changed since it was admitted" in told.state
                assert any("--mode undo" in one.command for one in told.remedies)
                undoing = await engine.retry(former, RetryMode.UNDO)
                assert (await undoing.wait(SOON)).status is Status.COMPENSATED
            assert ran == ["release anew"]

    play(scenario())


def test_s3_s29_given_quarantine_then_what_is_held_or_waits_is_left_until_its_turn(
    tmp_path: Path,
) -> None:
    """S3, S29: nothing is taken from under a handler."""

    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            jobs = old([])
            held = (await engine.submit(jobs["order"](1))).job_id
            (granted,) = await engine.claim(WORKER, jobs.kinds, request="r")
            waits = (await engine.submit(jobs["order"](2), after=[held])).job_id
            free = (await engine.submit(jobs["order"](3))).job_id
            fates = {free: Fate.QUARANTINED, waits: Fate.WAITS, held: Fate.HELD}
            deploys, changed = DeployEngine(engine.store), new([], "quarantine")
            before = await engine.store.log()
            seen = [one async for one in deploys.quarantine(changed, ["order"], dry_run=True)]
            assert {one.job_id: one.fate for one in seen} == fates
            assert await engine.store.log() == before
            done = [one async for one in deploys.quarantine(changed, ["order"], by="ops")]
            assert {one.job_id: one.fate for one in done} == fates
            assert (await job_of(engine, free)).status is Status.QUARANTINED
            token = granted.lease.token
            for name in ("reserve", "charge", "ship"):
                await engine.start_phase(held, token, name)
                await engine.complete_phase(held, token, name)
            # Its turn has come while a worker is there that is to put it aside.
            async with Worker(engine, new([], "quarantine")):
                outcome = await engine.wait(waits, SOON)
            assert outcome.cause is Cause.DEFINITION_CHANGED
            # Somebody asked for this one after all that.
            anew = await engine.retry(free, RetryMode.FROM_START)
            assert (await job_of(engine, anew.job_id)).spec.definition == "1"
            again = [one async for one in deploys.quarantine(changed, ["order"])]
            assert again == []

    play(scenario())


def test_s7_s19_given_a_job_that_a_worker_cannot_run_then_it_is_given_back_once_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S7, S11, S19: nothing of it is begun, no attempt burned, and those behind it run."""
    caplog.set_level(logging.ERROR)

    async def scenario() -> None:
        async with engine_on(tmp_path) as engine:
            ran: list[str] = []
            jobs = new(ran)
            async with Worker(engine, jobs, concurrency=1):
                # A host that was not deployed yet goes on with admitting the old shape.
                former = (await engine.submit(old([])["order"](1))).job_id
                latter = [await engine.submit(jobs["order"](n)) for n in (2, 3)]
                for handle in latter:
                    assert (await handle.wait(SOON)).completed
                job = await job_of(engine, former)
                assert (job.status, job.attempts, job.releases) == (Status.SCHEDULED, 0, 1)
                told = await engine.why(former)
                assert any(
                    "cannot run that: there is no handler for phase 'charge'" in one
                    and "version 1 of kind order" in one
                    for one in told.waits
                )
                assert "all of version 1" in told.remedies[0].does
                past = " ".join(told.past)
                assert "could not run it" in past
                assert "shut down" not in past
            assert "reserve anew" in ran
            assert not any("1" in one for one in ran)
            assert "is given back: there is no handler for phase 'charge'" in caplog.text
            async with Worker(engine, old(ran)):
                assert (await engine.wait(former, SOON)).completed

    play(scenario())


def test_s12_given_an_undo_that_is_gone_then_the_job_waits_for_code_that_has_it() -> None:
    """S12: `undo(retired=True)` keeps it for those that were admitted with it."""

    def shrunk(ran: list[str], *, keep: bool) -> Jobs:
        jobs = Jobs()
        saga = jobs.saga("order", version=2, changed=Changed.FINISH)

        @saga.phase
        async def reserve(_: Context, number: int) -> int:
            return number

        if keep:

            @reserve.undo(retired=True)
            async def release(_: Context, number: int, result: int) -> None:
                ran.append(f"released {number} {result}")

        for name in ("charge", "ship"):

            @saga.phase(name=name)
            async def fails(_: Context, number: int) -> None:
                raise ValueError(number)

        assert jobs["order"](1).spec.phases[0].undo is None
        return jobs

    async def scenario() -> None:
        clock = ManualClock()
        engine = Engine(MemoryStore(clock=clock))
        former, ran = await half_done(engine, old([])), list[str]()
        with pytest.raises(ValueError, match="no handler for the undo of 'reserve'"):
            await Worker(engine, shrunk(ran, keep=False)).run()
        # Tests of a host give it back, too, and come to an end.
        await run_until_idle(engine, shrunk(ran, keep=False))
        assert (await job_of(engine, former)).status is Status.SCHEDULED
        await run_until_idle(engine, shrunk(ran, keep=True))
        assert (await job_of(engine, former)).status is Status.COMPENSATED
        assert ran == ["released 1 1"]

    play(scenario())


def test_given_a_retired_phase_then_it_is_refused_where_it_does_not_fit() -> None:
    jobs = new([], keep=True)
    saga = jobs["order"]
    assert [phase.name for phase in saga.shape.phases] == ["reserve", "pack", "ship"]
    assert [one.name for one in saga(1).spec.phases] == ["reserve", "pack", "ship"]
    with pytest.raises(TypeError, match="has a phase 'charge' already"):

        @saga.phase(name="charge")
        async def again(_: Context, number: int) -> None: ...

    with pytest.raises(TypeError, match=r"expected phase 'other' to take \(ctx, number\)"):

        @saga.phase(retired=True)
        async def other(_: Context, wrong: int) -> None: ...

    with pytest.raises(LookupError, match="'order' has no phase 'nothing' here"):
        saga.handler("nothing")
    with pytest.raises(ValueError, match="'maybe' is not a valid Changed"):
        jobs.saga("more", changed="maybe")
    with pytest.raises(TypeError, match="expected a string for version"):
        jobs.saga("more", version=1.5)
