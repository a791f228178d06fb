"""Handlers in processes of their own: they can be killed, whatever they do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import isolated_handlers as handlers
import pytest

from parcae import CancelOutcome, Context, Engine, Isolation, Jobs, Status, seconds
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

SOON = seconds(60)


def run(scenario: Callable[[Engine], Coroutine[Any, Any, None]], jobs: Jobs | None = None) -> None:
    async def main() -> None:
        async with (
            Engine(MemoryStore()) as engine,
            Worker(engine, jobs or handlers.jobs, drain=seconds(1)),
        ):
            await scenario(engine)

    asyncio.run(main())


async def pids(folder: Path) -> list[int]:
    """The processes that the handler wrote down, once it has."""
    return await asyncio.to_thread(_pids, folder / "pids")


def _pids(file: Path) -> list[int]:
    while not file.exists() or not file.read_text():
        time.sleep(0.01)
    return [int(one) for one in file.read_text().split()]


def gone(pid: int) -> None:
    """Returns once there is no such process, or only what its parent has yet to bury."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        if not found.stdout.strip() or found.stdout.strip().startswith("Z"):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} lives on")


def test_given_isolation_then_the_handler_runs_in_another_process_and_its_result_comes_back() -> (
    None
):
    async def scenario(engine: Engine) -> None:
        outcome = await (await engine.submit(handlers.add(1, 2))).wait(SOON)
        assert outcome.result is not None
        assert outcome.result["sum"] == 3
        assert outcome.result["pid"] != os.getpid()
        assert (await (await engine.submit(handlers.nap())).wait(SOON)).result == "nap"

    run(scenario)


def test_given_a_handler_that_raises_then_the_error_is_the_handlers() -> None:
    async def scenario(engine: Engine) -> None:
        outcome = await (await engine.submit(handlers.fails())).wait(SOON)
        assert outcome.error is not None
        assert outcome.error.type == "LookupError"
        assert "isolated_handlers.py" in outcome.error.traceback

    run(scenario)


def test_given_a_crash_of_its_process_then_the_job_fails_and_says_by_which_signal() -> None:
    """L1: the worker and its other jobs live on."""

    async def scenario(engine: Engine) -> None:
        outcome = await (await engine.submit(handlers.dies())).wait(SOON)
        assert outcome.status is Status.FAILED
        assert outcome.error is not None
        assert "SIGSEGV" in outcome.error.message
        assert (await (await engine.submit(handlers.add(1, 1))).wait(SOON)).completed

    run(scenario)


def test_given_a_handler_that_ignores_cancel_then_it_is_killed_with_all_it_has_started(
    tmp_path: Path,
) -> None:
    """L6, S29: nothing of it lives on beside what follows."""

    async def scenario(engine: Engine) -> None:
        handle = await engine.submit(handlers.deaf(str(tmp_path)))
        started = await pids(tmp_path)
        answer = await handle.cancel()
        assert answer.outcome is CancelOutcome.CANCELLING
        assert (await handle.wait(SOON)).status is Status.CANCELLED
        for pid in started:
            await asyncio.to_thread(gone, pid)

    run(scenario)


def test_given_a_polite_handler_then_it_stops_by_itself(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        handle = await engine.submit(handlers.polite(str(tmp_path)))
        await pids(tmp_path)
        await handle.cancel()
        outcome = await handle.wait(SOON)
        assert outcome.status is Status.CANCELLED
        assert not outcome.reconciled

    run(scenario)


def test_given_a_shutdown_then_the_process_ends_with_it(tmp_path: Path) -> None:
    """L6."""
    found: list[int] = []

    async def scenario(engine: Engine) -> None:
        await engine.submit(handlers.deaf(str(tmp_path)))
        found.extend(await pids(tmp_path))

    run(scenario)
    for pid in found:
        gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="such limits are Linux's")
def test_given_limits_then_memory_and_processor_time_are_bounded() -> None:
    async def scenario(engine: Engine) -> None:
        outcome = await (await engine.submit(handlers.greedy())).wait(SOON)
        assert outcome.error is not None
        assert outcome.error.type == "MemoryError"
        ended = await (await engine.submit(handlers.busy())).wait(SOON)
        assert ended.error is not None
        assert "SIGXCPU" in ended.error.message

    run(scenario)


def test_given_a_handler_that_nobody_can_import_then_the_job_fails_and_says_so() -> None:
    jobs = Jobs()

    @jobs.job("local", isolate=Isolation(), retry=handlers.ONCE)
    def local(ctx: Context) -> None:
        """Only here."""

    async def scenario(engine: Engine) -> None:
        outcome = await (await engine.submit(local())).wait(SOON)
        assert outcome.error is not None
        assert "top level of its module" in outcome.error.message

    run(scenario, jobs)
