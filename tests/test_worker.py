"""The worker on a real clock: what handlers are told, and what becomes of their jobs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from parcae import (
    CancelOutcome,
    Cause,
    Context,
    Engine,
    GiveUp,
    Jobs,
    LeaseLost,
    OnLost,
    Query,
    Retry,
    Status,
    Timing,
    fsck,
    seconds,
)
from parcae import events as e
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

SHORT = Timing(
    lease=seconds(0.6), renewal=seconds(0.2), attempt=seconds(30), cancel_grace=seconds(10)
)
AT_ONCE = Retry(max_attempts=3, backoff=seconds(0), jitter=0)
SOON = seconds(20)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@asynccontextmanager
async def working(engine: Engine, jobs: Jobs, **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(engine, jobs, **{"reconcile_every": seconds(0.05), **options})
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        worker.stop()
        await task
    report = await fsck(engine.store)
    assert report.clean, report.findings


async def kinds_of_events(engine: Engine, job_id: Any) -> list[type[e.Event]]:
    return [type(recorded.event) for recorded in await engine.history(job_id)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what handlers in threads do sets no event
            await asyncio.sleep(0.005)


def test_given_a_plain_function_when_it_is_submitted_then_it_runs_in_a_thread() -> None:
    jobs = Jobs()

    @jobs.job("where")
    def where(_: Context) -> str:
        return threading.current_thread().name

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(where())).wait(SOON)
        assert outcome.completed
        assert outcome.result == "parcae-handler"

    run(scenario)


def test_given_concurrency_n_when_more_jobs_wait_then_never_more_than_n_run_at_once() -> None:
    jobs, now, most = Jobs(), 0, 0

    @jobs.job("count")
    async def count(_: Context) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs, concurrency=4):
            handles = [await engine.submit(count()) for _ in range(30)]
            outcomes = [await handle.wait(SOON) for handle in handles]
        assert all(outcome.completed for outcome in outcomes)

    run(scenario)
    assert most == 4


def test_given_an_idle_worker_when_a_job_is_submitted_in_its_process_then_it_starts_at_once() -> (
    None
):
    jobs = Jobs()

    @jobs.job("noop")
    async def noop(_: Context) -> float:
        return time.monotonic()

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            await asyncio.sleep(0.3)  # Long enough for the worker to have nothing left to do.
            submitted = time.monotonic()
            outcome = await (await engine.submit(noop())).wait(SOON)
        assert outcome.result is not None
        # A worker that polled would take up to its whole interval of a second.
        assert outcome.result - submitted < 0.5

    run(scenario)


def test_s9_given_a_running_handler_when_a_cancel_is_requested_then_it_is_cancelled() -> None:
    jobs, started, cut_off = Jobs(), asyncio.Event(), []

    @jobs.job("long", timing=SHORT)
    async def long(_: Context) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut_off.append(True)
            raise

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(long())
            await started.wait()
            answer = await handle.cancel(by="ann", reason="not needed")
            assert answer.outcome is CancelOutcome.CANCELLING
            outcome = await handle.wait(SOON)
            again = await handle.cancel()
        assert (outcome.status, outcome.cause) == (Status.CANCELLED, Cause.CANCELLED)
        assert not outcome.reconciled
        assert again.outcome is CancelOutcome.ALREADY_ENDED
        assert cut_off == [True]

    run(scenario)


def test_s9_given_a_thread_when_a_cancel_is_requested_then_it_can_ask_and_stop() -> None:
    jobs, started = Jobs(), threading.Event()

    @jobs.job("polite", timing=SHORT)
    def polite(ctx: Context) -> str:
        started.set()
        while not ctx.cancelled:
            time.sleep(0.01)
        raise GiveUp("told to stop")

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(polite())
            await until(started.is_set)
            await handle.cancel()
            outcome = await handle.wait(SOON)
        assert (outcome.status, outcome.cause) == (Status.CANCELLED, Cause.CANCELLED)

    run(scenario)


def test_s19_given_a_thread_that_stops_when_asked_then_a_cut_drain_burns_no_attempt() -> None:
    jobs, started = Jobs(), threading.Event()

    @jobs.job("careful", timing=SHORT, retry=Retry(max_attempts=1))
    def careful(ctx: Context) -> int:
        started.set()
        while ctx.token == 1:
            ctx.check_cancelled()
            time.sleep(0.01)
        return ctx.attempt

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(careful())
            await until(started.is_set)
        assert (await engine.show(handle.job_id)).attempts == 0
        async with working(engine, jobs):
            assert (await handle.wait(SOON)).result == 1

    run(scenario)


def test_given_a_handler_that_stops_unasked_then_that_is_an_error_of_its_own() -> None:
    jobs = Jobs()

    @jobs.job("moody", retry=Retry(max_attempts=1))
    async def moody(_: Context) -> None:
        raise asyncio.CancelledError

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(moody())).wait(SOON)
        assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.HANDLER_ERROR)
        assert outcome.error is not None
        assert "nobody asked" in outcome.error.message

    run(scenario)


def test_s4_given_a_fenced_off_handler_when_it_finishes_then_its_result_is_only_evidence() -> None:
    jobs, started, may_end = Jobs(), threading.Event(), threading.Event()

    @jobs.job("stubborn", timing=SHORT)
    def stubborn(_: Context) -> str:
        started.set()
        may_end.wait(20)
        return "too late"

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(stubborn())
            await until(started.is_set)
            await engine.cancel(handle.job_id, force=True)
            outcome = await handle.wait(SOON)
            assert (outcome.status, outcome.cause) == (Status.CANCELLED, Cause.FORCED_CANCEL)
            may_end.set()
            mark = engine.store.mark()
            while e.LateResultRecorded not in await kinds_of_events(engine, handle.job_id):
                mark = await engine.store.wait(mark)
            assert (await engine.show(handle.job_id)).status is Status.CANCELLED

    run(scenario)


def test_given_a_handler_that_blocks_the_loop_when_its_lease_would_run_out_then_it_keeps_it() -> (
    None
):
    jobs = Jobs()

    @jobs.job("rude", timing=SHORT)
    async def rude(ctx: Context) -> int:
        time.sleep(2)  # noqa: ASYNC251 - three leases long: that is the point
        return int(ctx.token)

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(rude())
            outcome = await handle.wait(SOON)
        assert outcome.completed
        assert outcome.result == 1
        assert await kinds_of_events(engine, handle.job_id) == [
            e.Submitted,
            e.Scheduled,
            e.Started,
            e.PhaseStarted,
            e.PhaseCompleted,
            e.Completed,
        ]

    run(scenario)


def test_given_a_hung_attempt_when_its_timeout_passes_then_it_is_fenced_off_and_retried() -> None:
    timing = Timing(lease=seconds(0.6), renewal=seconds(0.2), attempt=seconds(0.5))
    jobs, attempts = Jobs(), []

    @jobs.job("hangs", timing=timing, retry=AT_ONCE)
    async def hangs(ctx: Context) -> int:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            await asyncio.sleep(60)
        return ctx.attempt

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(hangs())
            outcome = await handle.wait(SOON)
        assert outcome.result == 2
        assert attempts == [1, 2]
        retried = [
            recorded.event
            for recorded in await engine.history(handle.job_id)
            if isinstance(recorded.event, e.RetryScheduled)
        ]
        assert [event.cause for event in retried] == [Cause.ATTEMPT_TIMEOUT]
        assert retried[0].fence is not None  # S29: the second attempt waited for the first lease.

    run(scenario)


def test_s19_given_a_shutdown_when_the_drain_is_cut_short_then_the_job_keeps_its_attempt() -> None:
    jobs, started = Jobs(), asyncio.Event()

    @jobs.job("long", retry=Retry(max_attempts=1))
    async def long(ctx: Context) -> int:
        started.set()
        if ctx.token == 1:
            await asyncio.sleep(60)
        return ctx.attempt

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(long())
            await started.wait()
        assert (await engine.show(handle.job_id)).status is Status.SCHEDULED
        async with working(engine, jobs):
            outcome = await handle.wait(SOON)
        assert outcome.result == 1

    run(scenario)


def test_given_a_drain_when_handlers_end_by_themselves_then_nothing_is_released() -> None:
    jobs, started = Jobs(), asyncio.Event()

    @jobs.job("short")
    async def short(_: Context) -> None:
        started.set()
        await asyncio.sleep(0.2)

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        worker = Worker(engine, jobs)
        task = asyncio.create_task(worker.run())
        handle = await engine.submit(short())
        await started.wait()
        worker.stop()
        later = await engine.submit(short())
        await task
        assert (await engine.show(handle.job_id)).status is Status.COMPLETED
        assert (await engine.show(later.job_id)).status is Status.SCHEDULED

    run(scenario)


def test_l6_given_handlers_that_ignore_everything_when_drained_then_the_drain_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parcae_adapters.worker.worker.CLEANUP", 0.2)
    jobs, begun, may_end = Jobs(), [], threading.Event()

    @jobs.job("deaf", timing=Timing(attempt=seconds(5)))
    async def deaf(_: Context) -> None:
        begun.append("deaf")
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    @jobs.job("stuck", timing=Timing(attempt=seconds(5)))
    def stuck(_: Context) -> None:
        begun.append("stuck")
        may_end.wait(20)

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        worker = Worker(engine, jobs, drain=seconds(0.2))
        task = asyncio.create_task(worker.run())
        await engine.submit(deaf())
        await engine.submit(stuck())
        await until(lambda: len(begun) == 2)
        worker.stop()
        async with asyncio.timeout(5):
            await task
        # Nobody may say that they stopped: their leases stand until they lapse.
        running = await engine.find(Query(statuses=frozenset({Status.RUNNING})))
        assert len(running.jobs) == 2
        may_end.set()

    run(scenario)


def test_given_a_result_that_is_not_json_when_it_is_returned_then_the_job_fails_and_says_so() -> (
    None
):
    jobs = Jobs()

    @jobs.job("odd", retry=Retry(max_attempts=1))
    async def odd(_: Context) -> object:
        return object()

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(odd())).wait(SOON)
        assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.HANDLER_ERROR)
        assert outcome.error is not None
        assert "JSON" in outcome.error.message

    run(scenario)


def test_given_a_result_that_is_too_large_when_it_is_returned_then_the_job_fails() -> None:
    jobs = Jobs()

    @jobs.job("large", retry=Retry(max_attempts=1))
    async def large(_: Context) -> str:
        return "x" * 2_000_000

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(large())).wait(SOON)
        assert outcome.status is Status.FAILED
        assert outcome.error is not None
        assert "1048576" in outcome.error.message

    run(scenario)


def test_given_an_error_not_worth_retrying_when_it_is_raised_then_there_is_no_second_attempt() -> (
    None
):
    jobs, attempts = Jobs(), []

    @jobs.job("hopeless", retry=Retry(max_attempts=5, give_up_on=("LookupError",)))
    async def hopeless(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise KeyError("gone")

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(hopeless())).wait(SOON)
        assert outcome.cause is Cause.HANDLER_ERROR
        assert attempts == [1]

    run(scenario)


def test_s12_given_a_saga_when_a_later_phase_fails_then_undos_run_in_reverse_with_results() -> None:
    jobs = Jobs()
    done: list[tuple[str, str, object]] = []
    saga = jobs.saga("trip", retry=Retry(max_attempts=1))

    @saga.phase
    async def flight(_: Context, who: str) -> str:
        return f"flight of {who}"

    @flight.undo
    async def cancel_flight(ctx: Context, who: str, booked: str) -> None:
        done.append((ctx.idempotency_key.partition("/")[2], who, booked))

    @saga.phase
    def hotel(ctx: Context, who: str) -> int:
        assert ctx.result(flight) == f"flight of {who}"
        return 7

    @hotel.undo
    def cancel_hotel(ctx: Context, who: str, room: int) -> None:
        done.append((ctx.idempotency_key.partition("/")[2], who, room))

    @saga.phase
    async def pay(_: Context, who: str) -> None:
        raise GiveUp(f"{who} has no money")

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            outcome = await (await engine.submit(saga("ann"))).wait(SOON)
        assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.HANDLER_ERROR)

    run(scenario)
    assert done == [("hotel/undo", "ann", 7), ("flight/undo", "ann", "flight of ann")]


def test_given_a_kind_without_a_definition_here_when_it_waits_then_others_still_run() -> None:
    ours, theirs = Jobs(), Jobs()

    @ours.job("known")
    async def known(_: Context) -> str:
        return "done"

    @theirs.job("unknown")
    async def unknown(_: Context) -> None: ...

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        first = await engine.submit(unknown())
        async with working(engine, ours):
            outcome = await (await engine.submit(known())).wait(SOON)
        assert outcome.result == "done"
        assert (await engine.show(first.job_id)).status is Status.SCHEDULED

    run(scenario)


def test_given_durations_that_do_not_fit_when_a_worker_is_made_then_it_refuses() -> None:
    jobs = Jobs()

    @jobs.job("tight", timing=Timing(lease=seconds(5), renewal=seconds(3)))
    async def tight(_: Context) -> None: ...

    async def scenario() -> None:
        with pytest.raises(ValueError, match=r"renewal every 0:00:03.*lasts only 0:00:05"):
            Worker(Engine(MemoryStore()), jobs)

    run(scenario)


def test_given_a_lost_lease_when_a_cancel_is_pending_then_the_lost_handler_is_told() -> None:
    """A worker whose lease was taken away hears of it with its next renewal."""
    jobs, why = Jobs(), []
    started = asyncio.Event()

    @jobs.job("taken", timing=SHORT, on_lost=OnLost(times=2))
    async def taken(ctx: Context) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            why.append(ctx.cancelled)
            raise

    async def scenario() -> None:
        engine = Engine(MemoryStore())
        async with working(engine, jobs):
            handle = await engine.submit(taken())
            await started.wait()
            await engine.cancel(handle.job_id, force=True)
            await until(lambda: bool(why))
            job = await engine.show(handle.job_id)
            with pytest.raises(LeaseLost):
                await engine.start_phase(handle.job_id, job.token, "run")

    run(scenario)
    assert why == [True]
