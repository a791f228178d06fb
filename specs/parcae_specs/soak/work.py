"""What the workers of the soak run, and the traces that it leaves outside of any store."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from parcae import Context, GiveUp, Jobs, OnLost, Retry, Timing, seconds
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import run_worker

PATIENT = Retry(max_attempts=50, backoff=seconds(0.05), cap=seconds(0.5), max_releases=50)
FAST = Timing(
    lease=seconds(1.5),
    renewal=seconds(0.4),
    attempt=seconds(20),
    cancel_grace=seconds(2),
    undo=seconds(20),
)


@frozen(kw_only=True)
class Trace:
    """One line that a handler wrote, whatever became of it.

    Attributes:
        job_id: whose handler.
        phase: at which phase.
        undo: undoing it.
        token: under which lease.
    """

    job_id: str
    phase: str
    undo: bool
    token: int


def traces(path: Path) -> Iterator[Trace]:
    """What the handlers wrote, in order."""
    for line in path.read_text().splitlines():
        job_id, phase, what, token, _ = line.split()
        yield Trace(job_id=job_id, phase=phase, undo=what == "undo", token=int(token))


def written(path: Path, since: int) -> bytes:
    """What handlers wrote after the first ``since`` bytes; each line ends with its process."""
    with path.open("rb") as file:
        file.seek(since)
        return file.read()


def define(path: Path) -> Jobs:
    """Sagas of three phases whose handlers leave a line in ``path`` when they begin."""
    jobs = Jobs()
    saga = jobs.saga("soak", retry=PATIENT, timing=FAST, on_lost=OnLost(times=40))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def leave(ctx: Context) -> None:
        what = "undo" if ctx.undo else "run"
        line = f"{ctx.job_id} {ctx.phase} {what} {ctx.token} {os.getpid()}\n"
        os.write(file, line.encode())
        time.sleep(random.random() * 0.03)

    @saga.phase
    def first(ctx: Context, number: int) -> int:
        leave(ctx)
        return number

    @first.undo(unknown=True)
    def undo_first(ctx: Context, number: int, result: int | None) -> None:  # noqa: ARG001
        leave(ctx)

    @saga.phase
    def second(ctx: Context, number: int) -> int:
        leave(ctx)
        if number % 10 == 3 and ctx.attempt == 1:
            raise OSError("fails once")
        return number

    @second.undo(unknown=True)
    def undo_second(ctx: Context, number: int, result: int | None) -> None:  # noqa: ARG001
        leave(ctx)

    @saga.phase
    def third(ctx: Context, number: int) -> int:
        leave(ctx)
        if number % 10 == 7:
            raise GiveUp("fails for good, so the rest is undone")
        assert ctx.result(first) == ctx.result(second) == number
        return number

    return jobs


def main(database: str, path: str) -> None:
    """Be one of the workers until killed."""
    jobs = define(Path(path))
    run_worker(lambda: SqliteStore(database), jobs, concurrency=8, reconcile_every=seconds(0.2))


if __name__ == "__main__":
    main(*sys.argv[1:])
