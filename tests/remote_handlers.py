"""What the workers of test_remote_processes run: it must be importable by name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from parcae import Context, Jobs, OnLost, Retry, Timing, seconds

jobs = Jobs()
SHORT = Timing(lease=seconds(2), renewal=seconds(0.5), attempt=seconds(30))

step = jobs.saga(
    "step",
    timing=SHORT,
    retry=Retry(max_attempts=5, backoff=seconds(0), jitter=0),
    on_lost=OnLost(times=5),
)


@step.phase
async def begin(ctx: Context, folder: str, pause: float) -> int:
    """Write down who was here."""
    note(folder, ctx, "begin")
    await asyncio.sleep(pause)
    return os.getpid()


@step.phase
async def end(ctx: Context, folder: str, pause: float) -> int:
    """Likewise."""
    note(folder, ctx, "end")
    await asyncio.sleep(pause)
    return os.getpid()


def note(folder: str, ctx: Context, phase: str) -> None:
    """One line for each time that a phase is begun."""
    with Path(folder, f"{ctx.job_id}.{phase}").open("a") as file:
        file.write(f"{os.getpid()} {ctx.token}\n")
