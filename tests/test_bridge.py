"""What a host reports of its own queue, against real stores, without asyncio."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcae import Query, RetryMode, Status, seconds
from parcae.checkup import checkup
from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected
from parcae.events import LateResultRecorded
from parcae.explain_engine import ExplainEngine
from parcae.freshness import Freshness, assess
from parcae.handlers import error_of
from parcae.host_engine import External
from parcae.ports import Store
from parcae.spec import OnLost, Timing
from parcae.state import Ended
from parcae.values import Cause, Error, hours
from parcae_adapters.blocking import BlockingEngine
from parcae_adapters.bridge import Bridge, Run
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GAVE_UP = Error(type="queue.MaxAttemptsExceeded", message="three were enough")
TIMING = Timing(lease=seconds(30), renewal=seconds(10), attempt=hours(1), stale_after=hours(2))
JOBS = External(queue="host", timing=TIMING)


class Desk:
    """A store with a clock that is moved by hand, and two workers of the host's on it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.engine = BlockingEngine(store)
        self.ann = Bridge(self.engine, worker="ann#1", jobs=JOBS)
        self.bob = Bridge(self.engine, worker="bob#2", jobs=JOBS)

    def later(self, by: timedelta) -> None:
        self.clock.set(self.clock.now() + by)
        self.engine.run(self.engine.engine.reconcile())

    def ended(self, name: str = "task-1") -> Ended:
        state = self.ann.job(name).state
        assert isinstance(state, Ended)
        return state


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    clock = ManualClock(NOON)
    sqlite = request.param == "sqlite"
    store = SqliteStore(tmp_path / "jobs.db", clock=clock) if sqlite else MemoryStore(clock=clock)
    desk = Desk(store, clock)
    yield desk
    desk.engine.close()


def ann_only(worker: str) -> bool:
    return worker == "ann#1"


def test_s17_given_a_task_that_was_published_when_it_is_again_then_it_is_one_job(
    desk: Desk,
) -> None:
    """S17: keyed by the host's own name of it; another payload under that name is refused."""
    first = desk.ann.submitted("task-1", "mail", {"to": "ops"})
    again = desk.bob.submitted("task-1", "mail", {"to": "ops"})
    assert (again.job_id, again.duplicate) == (first.job_id, True)
    with pytest.raises(Rejected) as refusal:
        desk.ann.submitted("task-1", "mail", {"to": "all"})
    assert refusal.value.reason is Reason.KEY_REUSED
    with pytest.raises(ValueError, match="1 to 200 characters"):
        desk.ann.submitted("", "mail")
    with pytest.raises(Rejected, match="task-2"):
        desk.ann.started("task-2")


def test_given_the_last_in_line_when_the_host_starts_it_then_it_is_that_very_job(
    desk: Desk,
) -> None:
    for name in ("task-1", "task-2"):
        desk.ann.submitted(name, "mail")
    run = desk.bob.started("task-2")
    assert run.heartbeat() is False
    run.succeeded({"sent": 3})
    assert (desk.ann.job("task-1").status, desk.ended("task-2").status) == (
        Status.SCHEDULED,
        Status.COMPLETED,
    )
    assert desk.engine.wait(run.job_id).result == {"sent": 3}


def test_s3_given_a_task_that_runs_when_it_is_delivered_twice_then_the_second_start_is_refused(
    desk: Desk,
) -> None:
    """S3, S18: one holder; what was refused changed nothing."""
    desk.ann.submitted("task-1", "mail")
    run = desk.ann.started("task-1")
    before = desk.ann.job("task-1")
    with pytest.raises(Rejected) as refusal:
        desk.bob.started("task-1")
    assert refusal.value.reason is Reason.UNLAWFUL
    assert desk.ann.job("task-1") == before
    run.succeeded()


def test_s6_given_a_queue_with_a_limit_when_the_host_starts_more_then_they_are_refused(
    desk: Desk,
) -> None:
    """S6: also for those that are started by name; a paused queue starts nothing."""
    engine = desk.engine.engine
    desk.engine.run(engine.limit("host", 1))
    for name in ("task-1", "task-2"):
        desk.ann.submitted(name, "mail")
    run = desk.ann.started("task-1")
    with pytest.raises(Rejected) as refusal:
        desk.bob.started("task-2")
    assert refusal.value.reason is Reason.FULL
    run.succeeded()
    desk.engine.run(engine.pause("host"))
    with pytest.raises(Rejected) as refusal:
        desk.bob.started("task-2")
    assert refusal.value.reason is Reason.PAUSED
    desk.engine.run(engine.resume_queue("host"))
    desk.bob.started("task-2").succeeded()


def test_s6_given_a_queue_with_a_rate_when_starts_by_name_come_too_fast_then_they_wait(
    desk: Desk,
) -> None:
    """S6: a start by name counts for the rate, and is counted by it."""
    desk.engine.run(desk.engine.engine.rate("host", 1, seconds(60)))
    for name in ("task-1", "task-2"):
        desk.ann.submitted(name, "mail")
    desk.ann.started("task-1").succeeded()
    with pytest.raises(Rejected) as refusal:
        desk.ann.started("task-2")
    assert refusal.value.reason is Reason.FULL
    desk.later(seconds(60))
    desk.ann.started("task-2").succeeded()


def test_given_a_task_that_never_started_when_its_queue_gives_it_up_then_the_job_has_ended(
    desk: Desk,
) -> None:
    desk.ann.submitted("task-1", "mail")
    desk.bob.queue_failed("task-1", GAVE_UP)
    state, job = desk.ended(), desk.ann.job("task-1")
    assert (state.status, state.cause, state.reconciled) == (Status.FAILED, Cause.REPORTED, False)
    assert (job.starts, job.error) == (0, GAVE_UP)
    assert desk.bob.queue_failed("task-1", GAVE_UP).status is Status.FAILED


def test_s4_given_another_start_when_a_report_of_the_first_comes_then_it_changes_nothing(
    desk: Desk,
) -> None:
    """S4: neither of a worker that is not the holder, nor of a token that is over."""
    desk.ann.submitted("task-1", "mail")
    first = desk.ann.started("task-1")
    first.failed(Error(type="OSError"), retry_at=NOON + seconds(5))
    desk.later(seconds(5))
    second = desk.bob.started("task-1")
    with pytest.raises(LeaseLost, match="held by bob#2"):
        desk.ann.queue_failed("task-1", GAVE_UP, holder=ann_only)
    assert desk.ann.held("task-1", ann_only) is None
    with pytest.raises(LeaseLost):
        first.succeeded()
    second.succeeded()
    assert desk.ended().status is Status.COMPLETED
    with pytest.raises(LeaseLost):
        desk.ann.queue_failed("task-1", GAVE_UP)
    assert desk.ended().status is Status.COMPLETED
    events = [one.event for one in desk.engine.history(second.job_id)]
    late = [one.token for one in events if isinstance(one, LateResultRecorded)]
    assert late == [first.token, second.token]


def test_given_a_process_that_can_report_no_more_when_another_does_then_its_start_is_ended(
    desk: Desk,
) -> None:
    desk.ann.submitted("task-1", "mail")
    desk.ann.started("task-1")
    run = desk.bob.held("task-1", ann_only)
    assert run is not None
    run.failed(Error(type="WorkerLost"), retry_at=NOON + seconds(9))
    assert desk.ann.job("task-1").status is Status.SCHEDULED
    desk.bob.queue_failed("task-1", GAVE_UP, holder=ann_only)
    assert desk.ended().cause is Cause.REPORTED


def test_l3_given_a_start_that_never_reports_when_its_lease_is_over_then_it_is_told_as_lost(
    desk: Desk,
) -> None:
    """L1, L3: a queue that forgets does not keep a job from its end."""
    desk.ann.submitted("task-1", "mail")
    desk.ann.started("task-1")
    desk.later(seconds(31))
    state = desk.ended()
    assert (state.cause, state.reconciled) == (Cause.LEASE_LOST, True)
    assert assess(desk.ann.job("task-1"), None, desk.clock.now()).word is Freshness.RECONCILED
    desk.ann.submitted("task-2", "mail")
    desk.later(hours(2) + seconds(1))
    assert desk.ended("task-2").cause is Cause.STALE_IN_QUEUE


def test_given_a_queue_that_delivers_again_when_a_start_was_lost_then_another_may_follow(
    tmp_path: Path,
) -> None:
    clock = ManualClock(NOON)
    jobs = External(queue="host", timing=TIMING, on_lost=OnLost(), ttl=hours(1))
    with BlockingEngine(SqliteStore(tmp_path / "jobs.db", clock=clock)) as engine:
        bridge = Bridge(engine, worker="ann#1", jobs=jobs)
        bridge.submitted("task-1", "mail")
        first = bridge.started("task-1")
        clock.set(NOON + seconds(60))
        engine.run(engine.engine.reconcile())
        second = bridge.started("task-1")
        assert second.token > first.token
        second.released()
        bridge.started("task-1").succeeded()
        assert bridge.job("task-1").losses == 1


def test_s9_given_a_run_when_somebody_cancels_it_then_the_heartbeat_says_so(desk: Desk) -> None:
    """S9: one end, by request."""
    desk.ann.submitted("task-1", "mail")
    run = desk.ann.started("task-1")
    desk.bob.cancelled("task-1", "not needed")
    assert run.heartbeat() is True
    run.stopped()
    assert desk.ended().status is Status.CANCELLED
    with pytest.raises(LeaseLost):
        run.heartbeat()


def test_given_a_block_when_it_ends_or_raises_or_may_not_begin_then_its_job_says_so(
    desk: Desk,
) -> None:
    with desk.ann.running("backup", "monday") as run:
        assert desk.ann.job("monday").status is Status.RUNNING
    assert desk.ended("monday").status is Status.COMPLETED
    with pytest.raises(OSError, match="disk"), desk.ann.running("backup", "tuesday"):
        raise OSError("disk full")
    assert desk.ended("tuesday").cause is Cause.REPORTED
    desk.engine.run(desk.engine.engine.pause("host"))
    with pytest.raises(Rejected), desk.ann.running("backup"):
        pytest.fail("it must not begin in a paused queue")
    failed = [one.job for one in desk.engine.find(Query()).jobs if one.job.starts == 0]
    assert [(job.status, job.spec.kind) for job in failed] == [(Status.FAILED, "backup")]
    assert run.job_id not in [job.id for job in failed]


def test_given_a_block_when_its_job_is_lost_meanwhile_then_it_is_told_at_its_end(
    desk: Desk,
) -> None:
    with pytest.raises(LeaseLost), desk.ann.running("backup", "monday"):
        desk.later(seconds(31))
    assert desk.ended("monday").reconciled


def test_given_a_real_clock_when_a_run_outlives_its_lease_then_its_thread_keeps_it(
    tmp_path: Path,
) -> None:
    timing = Timing(lease=seconds(0.3), renewal=seconds(0.05), attempt=seconds(0.8))
    told: list[LeaseLost] = []
    lost = threading.Event()

    def on_lost(error: LeaseLost) -> None:
        told.append(error)
        lost.set()

    with BlockingEngine(SqliteStore(tmp_path / "jobs.db")) as engine:
        bridge = Bridge(engine, jobs=External(timing=timing))
        bridge.submitted("task-1", "mail")
        run = bridge.started("task-1")
        with run.kept_alive(on_lost):
            assert lost.wait(10), "the hard timeout ends it, renewed or not"
        assert told[0].reason is Reason.TIMED_OUT
        (reconciled,) = engine.run(engine.engine.reconcile())
        assert reconciled.cause is Cause.ATTEMPT_TIMEOUT


def test_given_a_report_when_its_store_is_closed_then_it_leaves_no_thread_behind(
    tmp_path: Path,
) -> None:
    """A host may fork next: a thread in the middle of a lock would leave it locked for ever."""
    before = set(threading.enumerate())
    for number in range(3):
        with BlockingEngine(SqliteStore(tmp_path / "jobs.db")) as engine:
            Bridge(engine).submitted(f"task-{number}", "mail")
        assert set(threading.enumerate()) <= before


MOVES = st.lists(
    st.sampled_from(
        ("start ann", "start bob", "beat", "retry", "fail", "succeed", "give up", "ann's", "time")
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(MOVES, st.booleans())
def test_s1_s4_whatever_is_reported_in_any_order_the_job_ends_once(
    moves: list[str],
    again: bool,
) -> None:
    """S1, S3, S4: no report of one start changes what another has done, or how the job ended."""
    clock = ManualClock(NOON)
    desk = Desk(MemoryStore(clock=clock), clock)
    desk.ann.submitted("task-1", "mail")
    runs: list[Run] = []
    try:
        for move in [*moves, *moves * again, "give up"]:
            before = desk.ann.job("task-1")
            with suppress(ParcaeError):
                _do(desk, runs, move)
            after = desk.ann.job("task-1")
            if before.status.is_terminal:
                assert after.state == before.state
            assert [one.token for one in runs] == sorted({one.token for one in runs})
        assert desk.ann.job("task-1").status.is_terminal
    finally:
        desk.engine.close()


def _do(desk: Desk, runs: list[Run], move: str) -> None:
    match move:
        case "start ann":
            runs.append(desk.ann.started("task-1"))
        case "start bob":
            runs.append(desk.bob.started("task-1"))
        case "give up":
            desk.bob.queue_failed("task-1", GAVE_UP)
        case "ann's":
            desk.bob.queue_failed("task-1", GAVE_UP, holder=ann_only)
        case "time":
            desk.later(seconds(20))
        case _:
            _report(desk, runs, move)


def _report(desk: Desk, runs: list[Run], move: str) -> None:
    error = error_of(OSError("no route"))
    # Every start speaks, the stale ones too.
    for run in runs:
        try:
            match move:
                case "beat":
                    run.heartbeat()
                case "retry":
                    run.failed(error, retry_at=desk.clock.now())
                case "fail":
                    run.failed(error, final=True)
                case _:
                    run.succeeded()
        except ParcaeError:
            continue


def test_given_a_task_that_waits_for_its_own_queue_then_nobody_is_sent_for_a_worker_of_ours(
    desk: Desk,
) -> None:
    """Who runs it cannot be known here, a backlog there is no fault here, and nobody else can."""
    job_id = desk.ann.submitted("task-1", "mail").job_id
    desk.ann.submitted("task-2", "mail")
    desk.later(seconds(90))
    explained = desk.engine.run(ExplainEngine(desk.engine.engine.store).why(job_id))
    assert explained.freshness.word is Freshness.LATE
    assert "The host's own queue, which runs it, has yet to report its start." in explained.waits
    assert not any("worker" in one for one in (*explained.waits, explained.next))
    assert not any("parcae worker" in one.command for one in explained.remedies)
    assert desk.engine.run(checkup(desk.engine.engine.store)).findings == ()


def test_given_a_task_that_was_lost_then_it_is_for_its_own_queue_to_run_it_again(
    desk: Desk,
) -> None:
    """A new job of ours would wait for a start that nobody can report."""
    job_id = desk.ann.submitted("task-1", "mail").job_id
    desk.ann.started("task-1")
    desk.later(seconds(31))
    assert desk.ended().reconciled
    explained = desk.engine.run(ExplainEngine(desk.engine.engine.store).why(job_id))
    assert [one.command for one in explained.remedies] == [f"parcae show {job_id}"]
    for mode in RetryMode:
        with pytest.raises(Rejected, match="a queue of the host's own runs it"):
            desk.engine.retry(job_id, mode)
