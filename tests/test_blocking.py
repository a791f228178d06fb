"""The engine without asyncio: submit, wait, cancel, show from plain code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from parcae import (
    CancelOutcome,
    Context,
    Engine,
    Jobs,
    Query,
    Rejected,
    RetryMode,
    Status,
    seconds,
)
from parcae_adapters.blocking import BlockingEngine
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

jobs = Jobs()


@jobs.job("double")
async def double(_: Context, number: int) -> int:
    return number * 2


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """A store with a worker in a thread of its own, as in another process."""
    store = MemoryStore()
    workers: list[Worker] = []

    async def work() -> None:
        workers.append(Worker(Engine(store), jobs))
        ready.set()
        await workers[0].run()

    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    ready.wait(10)
    yield store
    workers[0].stop()
    thread.join(20)


def test_given_plain_code_when_it_submits_and_waits_then_it_gets_the_result(
    store: MemoryStore,
) -> None:
    with BlockingEngine(store) as engine:
        handle = engine.submit(double(21), idempotency_key="once")
        outcome = handle.wait(seconds(20))
        assert outcome.result == 42
        assert engine.show(handle.job_id).status is Status.COMPLETED
        assert engine.wait(handle.job_id).status is Status.COMPLETED
        assert [stored.job.id for stored in engine.find(Query()).jobs] == [handle.job_id]
        assert len(engine.history(handle.job_id)) == 6
        again = engine.retry(handle.job_id, RetryMode("from_start"))
        assert again.wait(seconds(20)).result == 42


def test_given_a_job_for_later_when_plain_code_waits_too_short_then_it_is_told_and_can_cancel() -> (
    None
):
    with BlockingEngine(MemoryStore()) as engine:
        handle = engine.submit(double(1))
        with pytest.raises(TimeoutError, match="still scheduled"):
            handle.wait(seconds(0.05))
        assert handle.cancel(by="ann").outcome is CancelOutcome.CANCELLED
        assert engine.cancel(handle.job_id).outcome is CancelOutcome.ALREADY_ENDED


def test_given_many_threads_when_they_submit_with_one_key_then_there_is_one_job(
    store: MemoryStore,
) -> None:
    found: list[str] = []
    with BlockingEngine(store) as engine:
        threads = [
            threading.Thread(
                target=lambda: found.append(engine.submit(double(3), idempotency_key="k").job_id)
            )
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 20
    assert len(set(found)) == 1


def test_given_a_closed_engine_when_it_is_asked_then_it_says_so() -> None:
    engine = BlockingEngine(MemoryStore())
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.show("x")  # type: ignore[arg-type]


def test_given_what_the_engine_can_then_it_can_be_asked_without_asyncio() -> None:
    with BlockingEngine(MemoryStore()) as engine:
        engine.pause("default", by="ann")
        job_id = engine.submit(double(1)).job_id
        assert "is paused since" in " ".join(engine.why(job_id).waits)
        assert engine.place(job_id).ahead == 0
        assert [one.whole.tally.waiting for one in engine.stats().queues] == [1]
        engine.resume_queue("default")
        assert not engine.stats("default").queues[0].queue.paused
        engine.annotate(job_id, "a note", by="ann")
        with pytest.raises(Rejected, match="is scheduled"):
            engine.delete(job_id)
        engine.cancel(job_id)
        engine.delete(job_id)
        assert engine.find(Query()).jobs == ()
