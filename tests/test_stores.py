"""What every store promises of its writes, by the numbers of ``parcae.ports.Store``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.change import Change, View
from parcae.errors import Reason
from parcae.ports import Named, Query, Store
from parcae.state import Ended
from parcae.values import Status, Version
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import PAYLOAD, Driver, everything, refused, spec

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


def test_a_job_goes_from_its_submission_to_its_end(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        stored = await driver.store.fetch(job)
        assert stored is not None
        assert stored.job.status is Status.COMPLETED
        assert stored.liveness is None
        names = [type(one.event).__name__ for one in await driver.store.history(job)]
        assert names == [
            "Submitted",
            "Scheduled",
            "Started",
            "PhaseStarted",
            "PhaseCompleted",
            "Completed",
        ]
        assert await driver.store.blobs(job, ["payload", "result/only", "none"]) == {
            "payload": PAYLOAD,
            "result/only": b"{}",
        }

    run(scenario)


def test_when_a_rule_raises_nothing_is_written_and_its_caller_alone_is_told(run: Run) -> None:
    """Requirement 4; S18."""

    def bad(view: View) -> Sequence[Change]:
        rules.submit(view, spec(), PAYLOAD)
        raise ZeroDivisionError

    async def scenario(driver: Driver) -> None:
        done = await asyncio.gather(
            driver.submit(),
            driver.store.transact(Named(), bad),
            driver.submit(),
            return_exceptions=True,
        )
        assert [type(one) for one in done] == [str, ZeroDivisionError, str]
        assert await driver.store.count(Query()) == {Status.SCHEDULED: 2}

    run(scenario)


def test_when_a_change_was_made_for_another_version_it_conflicts(run: Run) -> None:
    """Requirement 5."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()

        def stale(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            return [replace(note, before=Version(1))]

        await refused(driver, driver.store.transact(Named(ids=(job,)), stale), Reason.MOVED_ON)

    run(scenario)


def test_when_the_second_change_of_a_rule_is_refused_the_first_is_not_written(run: Run) -> None:
    """Requirement 1; S23."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()

        def half(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            return [rules.submit(view, spec(), PAYLOAD), note, note]

        await refused(driver, driver.store.transact(Named(ids=(job,)), half), Reason.MOVED_ON)

    run(scenario)


@pytest.mark.parametrize("what", ["outcome", "event"])
def test_an_ended_job_stays_as_it_ended_even_if_a_rule_asks_for_more(run: Run, what: str) -> None:
    """Requirement 7; S1."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()

        def rule(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            assert note.job is not None
            assert isinstance(note.job.state, Ended)
            if what == "outcome":
                failed = replace(note.job.state, status=Status.FAILED)
                return [replace(note, job=replace(note.job, state=failed))]
            started = [one.event for one in history if type(one.event).__name__ == "Started"]
            return [replace(note, events=tuple(started))]

        history = await driver.store.history(job)
        await refused(driver, driver.store.transact(Named(ids=(job,)), rule), Reason.UNLAWFUL)

    run(scenario)


def test_notes_and_evidence_are_taken_after_the_end(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        await driver.tell(job, c.Annotate(by="me", note="seen"))
        assert len(await driver.store.history(job)) == 7

    run(scenario)


def test_a_deleted_job_leaves_its_deletion_in_the_log_and_its_place_and_name_to_nobody(
    run: Run,
) -> None:
    """Requirements 6 and 8; S22."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        await driver.tell(job, c.Delete())
        assert await driver.store.fetch(job) is None
        assert await driver.store.blobs(job, ["payload"]) == {}
        (left,) = await driver.store.history(job)
        assert (type(left.event).__name__, left.version) == ("Deleted", 7)
        assert list(await driver.store.log()) == [left]
        assert left.position == 7

        def again(view: View) -> Sequence[Change]:
            return [rules.handle(view, job, c.Submit(spec=spec()))]

        await refused(driver, driver.store.transact(Named(), again), Reason.MOVED_ON)
        after = await driver.store.fetch(await driver.submit())
        assert after is not None
        assert after.job.place == 2

    run(scenario)


def test_a_key_admits_one_job_until_it_expires_and_outlives_it(
    run: Run, clock: ManualClock
) -> None:
    """S17."""

    async def scenario(driver: Driver) -> None:
        racing = await asyncio.gather(*(driver.submit(key="k") for _ in range(20)))
        assert len(set(racing)) == 1
        (granted,) = await driver.claim()
        await driver.work(granted)
        await driver.tell(racing[0], c.Delete())
        assert await driver.submit(key="k") == racing[0]
        clock.advance(timedelta(seconds=61))
        assert await driver.submit(key="k") != racing[0]

    run(scenario)


def test_given_the_same_key_with_another_body_it_is_rejected(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit(key="k")
        other = driver.submit(spec(kind="other"), key="k")
        await refused(driver, other, Reason.KEY_REUSED)

    run(scenario)


def test_an_idle_change_is_no_commit(run: Run) -> None:
    """Requirement 9."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        before, mark = await everything(driver.store), driver.store.mark()
        done = await driver.tell(job, c.Cancel())
        assert done.changes[0].idle
        assert done.position == 6
        assert driver.store.mark() == mark
        assert await everything(driver.store) == before

    run(scenario)
