"""Handlers that the tests of isolation run in processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from parcae import Context, Isolation, Jobs, Retry, Timing, seconds

jobs = Jobs()
ONCE = Retry(max_attempts=1)
TIMING = Timing(cancel_grace=seconds(30))


@jobs.job("add", isolate=Isolation(), retry=ONCE)
def add(ctx: Context, left: int, right: int) -> dict[str, int]:
    """Says who it is."""
    ctx.progress(1, 2, "half")
    return {"sum": left + right, "pid": os.getpid()}


@jobs.job("nap", isolate=Isolation(), retry=ONCE)
async def nap(ctx: Context) -> str:
    """A coroutine."""
    await asyncio.sleep(0.01)
    return ctx.kind


@jobs.job("raise", isolate=Isolation(), retry=ONCE)
def fails(ctx: Context) -> None:  # noqa: ARG001 - every handler takes it
    """Raises."""
    raise LookupError("not here")


@jobs.job("die", isolate=Isolation(), retry=ONCE)
def dies(ctx: Context) -> None:  # noqa: ARG001 - every handler takes it
    """Ends like a crash of native code."""
    os.kill(os.getpid(), signal.SIGSEGV)


@jobs.job("deaf", isolate=Isolation(grace=seconds(0.2)), retry=ONCE, timing=TIMING)
def deaf(ctx: Context, folder: str) -> None:  # noqa: ARG001 - every handler takes it
    """Ignores every request to stop, and has started a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(folder, "pids").write_text(f"{os.getpid()} {child.pid}")
    while True:
        time.sleep(1)


@jobs.job("polite", isolate=Isolation(), retry=ONCE, timing=TIMING)
def polite(ctx: Context, folder: str) -> None:
    """Stops when asked to."""
    Path(folder, "pids").write_text(str(os.getpid()))
    while True:
        ctx.check_cancelled()
        time.sleep(0.01)


@jobs.job("greedy", isolate=Isolation(memory=1 << 30), retry=ONCE)
def greedy(ctx: Context) -> int:  # noqa: ARG001 - every handler takes it
    """Wants more memory than it may have."""
    return len(bytearray(1 << 31))


@jobs.job("busy", isolate=Isolation(cpu=seconds(1)), retry=ONCE)
def busy(ctx: Context) -> None:  # noqa: ARG001 - every handler takes it
    """Burns processor time for ever."""
    while True:
        pass
