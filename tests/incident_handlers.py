"""Handlers that the tests of incidents run in worker processes; files in a folder steer them.

A handler goes on once there is a file ``go``, or ``go-`` and its token: so that a test, and not
the speed of the machine, decides at which moment of an incident a handler reports.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

from parcae import Context, Jobs, Lost, OnLost, Retry, Timing, seconds
from parcae.values import Instant
from parcae_adapters.clock import SystemClock
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import run_worker


class OffsetClock(SystemClock):
    """The clock of this machine, and as many seconds more as a file says: it can be set at will."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> Instant:
        """The present instant."""
        # Whoever sets it may be in the middle of that.
        return super().now() + seconds(float(self._file.read_text() or 0))


jobs = Jobs()
SHORT = Timing(lease=seconds(1), renewal=seconds(0.3), attempt=seconds(60))
# The lease outlives the grace, so that there is a handler to be fenced off while it may be alive.
GRACE = Timing(
    lease=seconds(4), renewal=seconds(0.3), attempt=seconds(60), cancel_grace=seconds(0.5)
)
SOON = Retry(max_attempts=3, backoff=seconds(0.1), jitter=0)
FAIL = OnLost(action=Lost.FAIL)
POLL = 0.01


def note(folder: str, ctx: Context) -> None:
    """Leave a trace of every start, so that a test can count them."""
    with Path(folder, f"ran-{ctx.job_id}").open("a") as file:
        file.write(f"{ctx.phase} {ctx.token}\n")


def may_go(folder: str, ctx: Context) -> bool:
    """Whether the test lets this holder of the job go on."""
    return any(Path(folder, name).exists() for name in ("go", f"go-{ctx.token}"))


def hold_out(folder: str, ctx: Context) -> int:
    """Ignore every request to stop, like code that knows nothing of them."""
    note(folder, ctx)
    while not may_go(folder, ctx):
        time.sleep(POLL)
    return ctx.token


order = jobs.saga("order", timing=SHORT, retry=SOON)


@order.phase
async def reserve(ctx: Context, folder: str) -> int:
    """Is done at once."""
    note(folder, ctx)
    return ctx.token


@order.phase
def charge(ctx: Context, folder: str) -> int:
    """Is where the incidents happen."""
    return hold_out(folder, ctx)


deploy = jobs.saga("deploy", timing=SHORT, retry=SOON)


@deploy.phase
def build(ctx: Context, folder: str) -> int:
    """Ends once the worker is being stopped: the next phase would begin right then."""
    note(folder, ctx)
    while not ctx.cancelled:
        time.sleep(POLL)
    return ctx.token


@deploy.phase
async def publish(ctx: Context, folder: str) -> int:
    """Tells who built it."""
    note(folder, ctx)
    built: int = ctx.result(build)
    return built


@jobs.job("fragile", timing=SHORT, retry=Retry(max_attempts=1), on_lost=FAIL)
async def fragile(ctx: Context, folder: str) -> int:
    """Must not be made again where nobody knows whether it happened."""
    note(folder, ctx)
    while not may_go(folder, ctx):  # noqa: ASYNC110 - the test is in another process
        await asyncio.sleep(POLL)
    return ctx.token


@jobs.job("deaf", timing=GRACE, retry=SOON)
def deaf(ctx: Context, folder: str) -> int:
    """Cannot be stopped."""
    return hold_out(folder, ctx)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    database, name, reconcile_every, drain, *offset = sys.argv[1:]
    clock = OffsetClock(Path(offset[0])) if offset else None
    run_worker(
        lambda: SqliteStore(database, clock=clock),
        jobs,
        name=name,
        concurrency=40,
        reconcile_every=seconds(float(reconcile_every)),
        drain=seconds(float(drain)),
    )
