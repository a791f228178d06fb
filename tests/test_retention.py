"""Ended jobs are kept by outcome and age; what is needed, or under a hold, is kept for longer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from parcae import (
    Context,
    Engine,
    GiveUp,
    Graph,
    Jobs,
    Reason,
    Rejected,
    Status,
    Timing,
)
from parcae.admission import rate_keys
from parcae.change import View
from parcae.effects import Remind
from parcae.holds import hold_key
from parcae.ledger import kept_effects
from parcae.ports import Named, Store
from parcae.retention import Retention, hold, kept_until, past_retention
from parcae.retention_engine import RetentionEngine
from parcae.state import Stored
from parcae.values import JobId, Lane, Place, WorkerId, hours, minutes
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.sqlite.queries import ENDED
from parcae_adapters.sqlite.register import EXPIRING
from parcae_adapters.testing import run_until_idle
from parcae_specs.story import at, claim, done, given, start, submit

jobs = Jobs()
DAY = timedelta(days=1)


@jobs.job("greet")
def greet(ctx: Context, name: str) -> str:  # noqa: ARG001
    if name == "nobody":
        raise GiveUp("there is nobody")
    return name


Use = Callable[[Engine, RetentionEngine, ManualClock], Coroutine[Any, Any, None]]


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
                await use(engine, RetentionEngine(store), clock)

        asyncio.run(main())

    return play


async def ended(engine: Engine, *names: str) -> list[JobId]:
    """Jobs that have ended now."""
    ids = [(await engine.submit(greet(name))).job_id for name in names]
    await run_until_idle(engine, jobs)
    return ids


async def exist(engine: Engine, ids: list[JobId]) -> list[bool]:
    """Which of them are there."""
    return [await engine.stored(one) is not None for one in ids]


def test_s22_each_outcome_is_kept_for_as_long_as_its_own_policy_says(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        ids = await ended(engine, "ann", "nobody")
        policy = Retention(completed=DAY, failed=DAY * 3)
        clock.set(at(0) + DAY - timedelta(seconds=1))
        assert (await retention.sweep(policy)).verdicts == ()
        clock.set(at(0) + DAY)
        swept = await retention.sweep(policy)
        assert [one.job_id for one in swept.deleted] == ids[:1]
        assert await exist(engine, ids) == [False, True]
        clock.set(at(0) + DAY * 3)
        assert [one.status for one in (await retention.sweep(policy)).deleted] == [Status.FAILED]
        assert await exist(engine, ids) == [False, False]
        log = await engine.store.log()
        assert [str(one.stream) for one in log] == ids
        assert [type(one.event).__name__ for one in log] == ["Deleted", "Deleted"]

    played(use)


def test_a_dry_run_says_the_same_and_deletes_nothing(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        ids = await ended(engine, "ann")
        clock.set(at(0) + DAY)
        policy = Retention(completed=DAY)
        told = await retention.sweep(policy, dry_run=True)
        assert await exist(engine, ids) == [True]
        assert (await retention.sweep(policy)).verdicts == told.verdicts
        assert await exist(engine, ids) == [False]

    played(use)


def test_batches_are_bounded_and_go_on_where_the_one_before_ended(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        await ended(engine, *"abcde")
        clock.set(at(0) + DAY)
        cursor, sizes = "", []
        while True:
            swept = await retention.sweep(Retention(completed=DAY), 2, cursor=cursor)
            sizes.append(len(swept.deleted))
            cursor = swept.cursor
            if not cursor:
                break
        assert sizes == [2, 2, 1]

    played(use)


def test_s22_a_job_under_a_hold_is_kept_until_it_is_released(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        (job_id,) = await ended(engine, "ann")
        before = await engine.history(job_id)
        await retention.hold(job_id, by="legal", reason="case 7")
        await retention.hold(job_id, by="other", reason="later")
        assert await engine.history(job_id) == before
        clock.set(at(0) + DAY)
        (kept,) = (await retention.sweep(Retention(completed=DAY))).kept
        assert kept.kept == "it is under a legal hold (legal: case 7)"
        with pytest.raises(Rejected, match="legal hold") as refused:
            await engine.delete(job_id)
        assert refused.value.reason is Reason.NEEDED
        await retention.lift(job_id)
        await retention.lift(job_id)
        assert len((await retention.sweep(Retention(completed=DAY))).deleted) == 1

    played(use)


def test_l1_a_hold_on_a_job_that_waits_does_not_keep_it_from_starting(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        job_id = (await engine.submit(greet("ann"))).job_id
        await retention.hold(job_id)
        granted = await engine.claim(WorkerId("w"), jobs.kinds, request="1")
        assert [one.job.id for one in granted] == [job_id]
        await retention.hold(job_id)
        clock.set(at(0) + minutes(1))
        assert [one.job_id for one in await engine.reconcile()] == [job_id]

    played(use)


def test_nobody_holds_what_is_not_there(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:  # noqa: ARG001
        for ask in (retention.hold, retention.lift):
            with pytest.raises(Rejected) as refused:
                await ask(JobId("none"))
            assert refused.value.reason is Reason.NOT_FOUND

    played(use)


def test_s22_what_a_waiting_job_or_an_unended_group_needs_is_kept(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        graph = Graph()
        first = graph.add(greet("ann"))
        graph.add(greet("bob"), after=[first])
        handle = await engine.submit_graph(graph)
        granted = await engine.claim(WorkerId("w"), jobs.kinds, request="1")
        token = granted[0].lease.token
        await engine.start_phase(granted[0].job.id, token, "run")
        await engine.complete_phase(granted[0].job.id, token, "run")
        clock.set(at(0) + DAY)
        policy = Retention(completed=hours(1))
        (kept,) = (await retention.sweep(policy)).kept
        assert kept.job_id == handle.jobs[0]
        assert kept.kept is not None
        assert "has not ended" in kept.kept
        await run_until_idle(engine, jobs)
        clock.set(at(0) + DAY * 2)
        assert len((await retention.sweep(policy)).deleted) == 2

    played(use)


def test_s17_keys_outlive_the_job_that_took_them(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        await engine.submit(greet("ann"), idempotency_key="k", key_ttl=DAY * 9)
        await run_until_idle(engine, jobs)
        clock.set(at(0) + DAY)
        assert len((await retention.sweep(Retention(completed=DAY))).deleted) == 1
        again = await engine.submit(greet("ann"), idempotency_key="k")
        assert (again.admitted.duplicate, again.admitted.deleted) == (True, True)

    played(use)


def test_a_policy_that_deletes_nothing_looks_at_nothing(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        await ended(engine, "ann")
        clock.set(at(0) + DAY * 99)
        assert (await retention.sweep(Retention())).looked_at == 0

    played(use)


def test_until_when_a_job_is_kept() -> None:
    completed = given(submit("a"), claim(), start("a"), done("a")).job
    assert kept_until(completed, Retention(completed=DAY)) == at(0) + DAY
    assert kept_until(completed, Retention(failed=DAY)) is None
    assert kept_until(given(submit("a")).job, Retention(completed=DAY)) is None
    assert past_retention(completed, Retention(completed=timedelta(0)), at(0))
    assert not past_retention(completed, Retention(), at(9_999))
    assert Retention(completed=DAY, quarantined=DAY).statuses == {
        Status.COMPLETED,
        Status.QUARANTINED,
    }


def test_a_hold_is_a_key_row_beside_the_history(played: Callable[[Use], None]) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:  # noqa: ARG001
        (job_id,) = await ended(engine, "ann")
        await retention.hold(job_id, by="legal")
        seen: list[str] = []

        def read(view: Any) -> tuple[()]:
            seen.append(view.keys[hold_key(job_id)].fingerprint)
            return ()

        await engine.store.transact(Named(keys=(hold_key(job_id),)), read)
        assert seen == ["legal: no reason given"]

    played(use)


def test_l1_a_hold_on_an_impatient_job_of_a_paused_queue_does_not_make_it_wait_for_ever(
    played: Callable[[Use], None],
) -> None:
    impatient = Jobs()
    impatient.job("soon", timing=Timing(stale_after=hours(1)))(greet.run.handler)

    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        await engine.pause("default")
        job_id = (await engine.submit(impatient["soon"]("ann"))).job_id
        await retention.hold(job_id)
        clock.set(at(0) + minutes(1))
        await engine.resume_queue("default")
        clock.set(at(0) + hours(2))
        assert [one.job_id for one in await engine.reconcile()] == [job_id]

    played(use)


def test_l1_a_hold_on_an_ended_job_does_not_keep_those_who_wait_for_it_from_being_told() -> None:
    """What one commit did not hold is owed still, and a store keeps that with the job."""
    job = given(submit("a"), claim(), start("a"), done("a")).job
    stored = Stored(job=job)
    waited_for = View(now=at(9), place=Place(1), seed=1, jobs={job.id: stored})
    assert kept_effects(waited_for, stored) == ()
    more = evolve(waited_for, partial=frozenset({job.id}))
    assert kept_effects(more, stored) == (Remind(at=at(9)),)
    some = evolve(waited_for, dependents={job.id: (JobId("child"),)})
    assert hold(some, job.id).effects == (Remind(at=at(9)),)


def test_s17_a_key_works_until_it_expires_and_is_deleted_a_day_later(
    played: Callable[[Use], None],
) -> None:
    """S17, S22: what retention deletes, whenever it looks, nobody could have found again."""

    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        (first,) = [(await engine.submit(greet("ann"), idempotency_key="k", key_ttl=DAY)).job_id]
        await run_until_idle(engine, jobs)
        policy = Retention(completed=timedelta(0))
        assert [one.job_id for one in (await retention.sweep(policy)).deleted] == [first]
        for now in (at(0), at(0) + DAY - timedelta(microseconds=1)):
            clock.set(now)
            assert await retention.expire_keys() == 0
            again = await engine.submit(greet("ann"), idempotency_key="k")
            assert (again.job_id, again.admitted.deleted) == (first, True)
        # A clock that goes wrong by less than a day deletes nothing that counts again later.
        clock.set(at(0) + DAY * 2 - timedelta(microseconds=1))
        assert await retention.expire_keys() == 0
        clock.set(at(0) + DAY - timedelta(seconds=1))
        assert (await engine.submit(greet("ann"), idempotency_key="k")).job_id == first
        clock.set(at(0) + DAY * 2)
        assert await retention.expire_keys() == 1
        assert await retention.expire_keys() == 0
        fresh = await engine.submit(greet("ann"), idempotency_key="k")
        assert fresh.job_id != first

    played(use)


def test_s22_keys_that_still_count_are_kept_however_old_they_are(
    played: Callable[[Use], None],
) -> None:
    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        held, lifted = await ended(engine, "ann", "bob")
        await engine.rate("default", 1, DAY, burst=5)
        await ended(engine, "cid")
        for one in (held, lifted):
            await retention.hold(one)
        await retention.lift(lifted)
        clock.set(at(0) + DAY * 9)
        assert await retention.expire_keys(limit=10) == 1
        swept = await retention.sweep(Retention(completed=DAY))
        assert [one.job_id for one in swept.kept] == [held]
        assert lifted in [one.job_id for one in swept.deleted]
        view = await engine.store.look(Named(keys=rate_keys(Lane())))
        assert len(view.keys) == 1

    played(use)


def test_a_sweep_looks_at_no_job_that_it_must_keep(played: Callable[[Use], None]) -> None:
    """However many there are: what is not past retention is not read at all."""

    async def use(engine: Engine, retention: RetentionEngine, clock: ManualClock) -> None:
        old = await ended(engine, "ann")
        clock.set(at(0) + DAY)
        await ended(engine, *"abcdefgh", "nobody")
        swept = await retention.sweep(Retention(completed=DAY, failed=DAY), 5)
        assert (swept.looked_at, swept.cursor) == (1, "")
        assert [one.job_id for one in swept.deleted] == old

    played(use)


def test_the_file_finds_ends_and_keys_that_are_over_by_their_indexes(tmp_path: Path) -> None:
    """The plan of SQLite itself: neither statement goes through a table, or sorts."""
    store = SqliteStore(tmp_path / "jobs.db")
    asyncio.run(store.close())
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        for statement, wanted, index in (
            (ENDED, ("completed", 0, 0, "", 9), "parcae_ended_at (status=? AND "),
            (EXPIRING, ("submit", 0, 9), "parcae_expiring (scope=? AND expires_at<?)"),
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", wanted)]
            assert any(index in step for step in plan), plan
            assert not [step for step in plan if step.startswith("SCAN") or "ORDER BY" in step]
