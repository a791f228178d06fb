"""Statistics of queues: the arithmetic, and what the engine says on each store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcae import Context, Engine, GiveUp, Jobs, Reason, Rejected, Retry, Status, minutes, seconds
from parcae.events import Completed, Released, RetryScheduled, Scheduled, Started
from parcae.measures import measured, obstacles, percentiles, runs, waits
from parcae.ports import Store
from parcae.survey import Scope, Survey, Tally, surveyed
from parcae.values import Cause, Instant, JobId, Lane, Place, Token, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNTS = st.integers(0, 5)
TALLIES = st.builds(
    Tally,
    waiting=COUNTS,
    later=COUNTS,
    late=COUNTS,
    pending=COUNTS,
    running=COUNTS,
    oldest=st.none() | st.integers(0, 9).map(lambda s: NOW - seconds(s)),
    ended=st.dictionaries(st.sampled_from([Status.COMPLETED, Status.FAILED]), st.integers(1, 5)),
)

jobs = Jobs()


@jobs.job("call", queue="api", retry=Retry(max_attempts=2, backoff=seconds(10), jitter=0))
def call(ctx: Context, number: int) -> int:  # noqa: ARG001
    """Fails where it is asked to."""
    if number < 0:
        raise GiveUp("no")
    if number == 0:
        raise ValueError("again")
    return number


def at(second: float) -> Instant:
    return NOW + seconds(second)


def started(second: float) -> Started:
    who = WorkerId("w")
    return Started(at=at(second), token=Token(1), worker=who, request="r", expires_at=at(99))


@given(st.lists(st.integers(0, 1_000), min_size=1))
def test_percentiles_are_times_that_were_measured_and_in_order(numbers: list[int]) -> None:
    found = percentiles(map(seconds, numbers))
    assert found is not None
    assert found.count == len(numbers)
    assert {found.p50, found.p90, found.p99} <= set(map(seconds, numbers))
    assert found.p50 <= found.p90 <= found.p99
    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        no_longer = sum(seconds(one) <= value for one in numbers)
        assert no_longer * 100 >= percent * len(numbers)
        shorter = sum(seconds(one) < value for one in numbers)
        assert shorter * 100 < percent * len(numbers)


def test_given_no_times_then_there_are_no_percentiles() -> None:
    assert percentiles([]) is None


def test_a_job_waits_from_when_it_may_start_and_runs_from_each_start() -> None:
    events = (
        Scheduled(at=at(0), run_at=at(5), place=Place(1)),
        started(7),
        Released(at=at(10), voluntary=True),
        started(11),
        RetryScheduled(at=at(12), run_at=at(20), place=Place(2), cause=Cause.HANDLER_ERROR),
        started(24),
        Completed(at=at(25)),
    )
    assert list(waits(events)) == [seconds(2), seconds(1), seconds(4)]
    assert list(runs(events)) == [seconds(3), seconds(1), seconds(1)]


def test_given_a_clock_that_was_set_back_then_no_time_is_negative() -> None:
    events = (
        Scheduled(at=at(9), run_at=at(9), place=Place(1)),
        started(5),
        Completed(at=at(1)),
    )
    assert list(waits(events)) == [timedelta(0)]
    assert list(runs(events)) == [timedelta(0)]


@given(
    st.dictionaries(
        st.builds(Lane, queue=st.sampled_from("ab"), key=st.sampled_from("xyz")), TALLIES
    ),
    st.integers(1, 7),
)
def test_whatever_is_left_out_the_sums_of_the_queues_hold(
    lanes: dict[Lane, Tally], lines: int
) -> None:
    found = surveyed(NOW, Scope(lines=lines), lanes.items(), {}, ())
    assert len(found.lanes) + found.more_lanes == len(lanes)
    assert len(found.lanes) <= lines
    least = min((one.alive for one in found.lanes.values()), default=0)
    left_out = [tally for lane, tally in lanes.items() if lane not in found.lanes]
    assert all(tally.alive <= least for tally in left_out)
    for name, tally in found.queues.items():
        mine = [one for lane, one in lanes.items() if lane.queue == name]
        assert tally == sum(mine, Tally())
        assert tally.alive == sum(one.alive for one in mine)


def test_ends_per_minute_and_the_oldest_are_counted_from_now() -> None:
    tally = Tally(waiting=1, oldest=at(-30), ended={Status.COMPLETED: 5, Status.FAILED: 1})
    survey = Survey(now=NOW, scope=Scope(window=minutes(3)), queues={"q": tally})
    (found,) = measured(survey).queues
    assert found.whole.per_minute == 2.0
    assert found.whole.oldest == seconds(30)
    assert (found.whole.wait, found.whole.run, found.keys) == (None, None, ())


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(kind: str, folder: Path, clock: ManualClock) -> Store:
    if kind == "memory":
        return MemoryStore(clock=clock)
    return SqliteStore(folder / "jobs.db", clock=clock)


def test_given_jobs_of_every_kind_then_the_engine_counts_them(kind: str, tmp_path: Path) -> None:
    async def play() -> None:
        clock = ManualClock()
        async with Engine(opened(kind, tmp_path, clock)) as engine:
            for number in (1, 2, 0, -1):
                await engine.submit(call(number), key="a")
            await run_until_idle(engine, jobs)
            clock.advance(seconds(5))
            await engine.limit("api", 1, key="b")
            held = await engine.submit(call(1), key="b")
            await engine.claim(WorkerId("w"), jobs.kinds, request="1")
            waiting = await engine.submit(call(1), key="b")
            await engine.submit(call(1), key="b", after=[waiting.job_id])
            clock.advance(seconds(7))
            (found,) = (await engine.stats("api")).queues
            lines = {line.key: line for line in found.keys}
            assert lines["b"].tally == Tally(
                waiting=1, running=1, pending=1, oldest=clock.now() - seconds(7)
            )
            assert lines["b"].bounds.limit == 1
            assert lines["a"].tally.ended == {Status.COMPLETED: 2, Status.FAILED: 2}
            assert lines["a"].wait is not None
            assert (lines["a"].wait.count, lines["a"].wait.p99) == (5, timedelta(0))
            assert found.whole.per_minute == pytest.approx(4 / 15)
            place = await engine.place(waiting.job_id)
            assert (place.ahead, [one.job.id for one in place.holders]) == (0, [held.job_id])
            assert list(obstacles(place)) == ["1 of 1 slots of key 'b' are held"]

    asyncio.run(play())


def test_given_a_paused_queue_and_a_rate_then_it_is_said_what_is_in_the_way(
    kind: str, tmp_path: Path
) -> None:
    async def play() -> None:
        clock = ManualClock()
        async with Engine(opened(kind, tmp_path, clock)) as engine:
            await engine.rate("api", 1, minutes(1))
            await engine.limit("api", 1)
            for number in (1, 2):
                await engine.submit(call(number))
            await engine.claim(WorkerId("w"), jobs.kinds, request="1")
            handle = await engine.submit(call(3))
            await engine.pause("api")
            place = await engine.place(handle.job_id)
            assert (place.ahead, place.ahead_in_queue) == (1, 1)
            paused, slots, rate = obstacles(place)
            assert paused.startswith("queue api is paused since 2026-01-01")
            assert slots == "1 of 1 slots of queue api are held"
            assert rate.startswith("the rate of queue api lets the next start at 2026-01-01 00:01")

    asyncio.run(play())


def test_given_no_such_job_then_it_has_no_place() -> None:
    async def play() -> None:
        with pytest.raises(Rejected) as refusal:
            await Engine(MemoryStore()).place(JobId("nobody"))
        assert refusal.value.reason is Reason.NOT_FOUND

    asyncio.run(play())


@pytest.mark.parametrize("wrong", [{"sample": -1}, {"lines": 0}, {"window": timedelta(0)}])
def test_what_cannot_be_asked_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Scope(**wrong)  # type: ignore[arg-type]
