"""What the remote workers of the soak of the wire run."""

from __future__ import annotations

import asyncio
import random

from parcae import Context, GiveUp, Jobs, OnLost, Retry, Timing, seconds

PATIENT = Retry(max_attempts=200, backoff=seconds(0.05), cap=seconds(0.5), max_releases=200)
TIMING = Timing(lease=seconds(2), renewal=seconds(0.5), attempt=seconds(30), undo=seconds(30))
PAUSE = 0.02
"""Seconds that a handler takes at the most."""

jobs = Jobs()
parcel = jobs.saga("parcel", retry=PATIENT, timing=TIMING, on_lost=OnLost(times=200))


@parcel.phase
async def pack(ctx: Context, number: int) -> int:  # noqa: ARG001 - a handler takes its context
    """Takes a moment."""
    await asyncio.sleep(random.random() * PAUSE)
    return number


@pack.undo(unknown=True)
async def unpack(ctx: Context, number: int, result: int | None) -> None:  # noqa: ARG001
    """Takes a moment, too."""
    await asyncio.sleep(random.random() * PAUSE)


@parcel.phase
async def ship(ctx: Context, number: int) -> int:
    """Every tenth fails for good, so that it is unpacked; every tenth fails once."""
    await asyncio.sleep(random.random() * PAUSE)
    if number % 10 == 7:
        raise GiveUp("nobody lives there")
    if number % 10 == 3 and ctx.attempt == 1:
        raise OSError("fails once")
    return number
