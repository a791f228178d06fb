"""Workers as processes of their own, on one SQLite file: woken, idle, stopped and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from parcae import (
    Cause,
    Context,
    Engine,
    GiveUp,
    JobId,
    Jobs,
    Lost,
    OnLost,
    Retry,
    Status,
    Timing,
    fsck,
    seconds,
)
from parcae import events as e
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import run_worker

jobs = Jobs()
SOON = seconds(30)
SHORT = Timing(lease=seconds(1), renewal=seconds(0.3), attempt=seconds(2))


@jobs.job("stamp")
async def stamp(_: Context) -> float:
    return time.time()


@jobs.job("sleep", timing=SHORT, retry=Retry(max_attempts=1), on_lost=OnLost(action=Lost.FAIL))
async def sleep(_: Context, for_seconds: float) -> None:
    await asyncio.sleep(for_seconds)


@jobs.job("block", timing=SHORT, retry=Retry(max_attempts=1))
async def block(_: Context) -> None:
    while True:
        time.sleep(1)  # noqa: ASYNC251 - it blocks the event loop for ever: that is the point


@jobs.job("refuse")
async def refuse(_: Context) -> None:
    raise GiveUp("on purpose")


@frozen
class Process:
    """A worker process and its file."""

    path: Path
    popen: subprocess.Popen[str]

    def cpu(self) -> float:
        """Seconds that all its threads have run for."""
        tasks = Path(f"/proc/{self.popen.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """A worker that is ready."""
    path = tmp_path / "jobs.db"
    asyncio.run(SqliteStore(path).close())
    popen = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert popen.stderr is not None
    assert "ready" in popen.stderr.readline()
    with popen:
        yield Process(path, popen)
        popen.kill()


async def until_running(engine: Engine, job_id: JobId) -> None:
    mark = engine.store.mark()
    while (await engine.show(job_id)).status is not Status.RUNNING:
        mark = await engine.store.wait(mark)


@pytest.mark.alone
def test_given_an_idle_worker_when_another_process_submits_then_it_wakes_within_100_ms(
    process: Process,
) -> None:
    async def scenario() -> list[float]:
        engine = Engine(SqliteStore(process.path))
        delays = []
        for _ in range(9):
            await asyncio.sleep(0.1)  # So that the worker has gone back to waiting.
            submitted = time.time()
            outcome = await (await engine.submit(stamp())).wait(SOON)
            assert outcome.result is not None
            delays.append(outcome.result - submitted)
        await engine.store.close()
        return delays

    assert statistics.median(asyncio.run(scenario())) < 0.1


@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads Linux's /proc")
def test_given_nothing_to_do_then_a_worker_takes_less_than_one_percent_of_a_core(
    process: Process,
) -> None:
    time.sleep(1)  # It has just started.
    before, began = process.cpu(), time.monotonic()
    time.sleep(4)
    share = (process.cpu() - before) / (time.monotonic() - began)
    assert share < 0.01


def test_given_sigterm_when_a_handler_runs_then_it_may_finish_and_the_process_ends_well(
    process: Process,
) -> None:
    async def scenario() -> None:
        engine = Engine(SqliteStore(process.path))
        handle = await engine.submit(sleep(1.0))
        await until_running(engine, handle.job_id)
        process.popen.send_signal(signal.SIGTERM)
        assert (await handle.wait(SOON)).completed
        await engine.store.close()

    asyncio.run(scenario())
    assert process.popen.wait(20) == 0


def test_l6_given_a_handler_that_blocks_the_loop_when_told_twice_then_the_process_still_ends(
    process: Process,
) -> None:
    """Nobody can say that the handler stopped, so its job is lost, and is said to be."""

    async def scenario() -> None:
        engine = Engine(SqliteStore(process.path))
        handle = await engine.submit(block())
        await until_running(engine, handle.job_id)
        process.popen.send_signal(signal.SIGTERM)
        process.popen.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.popen.wait, 30)
        while not (await engine.show(handle.job_id)).status.is_terminal:
            await engine.reconcile()
            await asyncio.sleep(0.05)
        outcome = await handle.wait()
        assert (outcome.status, outcome.reconciled) == (Status.FAILED, True)
        assert outcome.cause in (Cause.ATTEMPT_TIMEOUT, Cause.LEASE_LOST)
        assert (await fsck(engine.store)).clean
        await engine.store.close()

    asyncio.run(scenario())
    assert process.popen.returncode == 1


@pytest.mark.alone
def test_l3_given_a_worker_that_is_killed_then_its_job_ends_as_lost_not_as_failed_by_itself(
    process: Process,
) -> None:
    async def scenario() -> None:
        engine = Engine(SqliteStore(process.path))
        lost = await engine.submit(sleep(30.0))
        await until_running(engine, lost.job_id)
        process.popen.kill()
        killed = time.monotonic()
        while not await engine.reconcile():  # noqa: ASYNC110 - time passing is no event
            await asyncio.sleep(0.05)
        # Within the lease, and one interval of the reconciler.
        assert time.monotonic() - killed < 3
        outcome = await lost.wait(SOON)
        assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.LEASE_LOST)
        assert outcome.reconciled
        last = (await engine.history(lost.job_id))[-1].event
        assert isinstance(last, e.Failed)
        assert last.interrupted == "run"
        await engine.store.close()

    asyncio.run(scenario())


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO)
    run_worker(lambda: SqliteStore(sys.argv[1]), jobs, reconcile_every=seconds(0.2))
