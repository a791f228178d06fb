"""The files that do not go well: what the demo has planned for them, and how that comes about."""

from __future__ import annotations

import os
import signal
import time
from enum import StrEnum
from pathlib import Path

from parcae import Context, GiveUp

PATIENCE = 60.0
"""Seconds that a handler waits for the demo to do its part: longer, and the demo is gone."""

LAST_WORDS = 0.3
"""Seconds before a worker is killed from inside: by then its other jobs are different ones each
time, so that no innocent one is lost three times too and taken for the killer."""


class Trouble(StrEnum):
    """What is planned for a file."""

    LOSES_ITS_WORKER = "loses its worker"
    FAILS_AFTER_PACKING = "fails after packing"
    KILLS_ITS_WORKER = "kills its worker"
    IS_CANCELLED = "is cancelled"


def curtain(archive: str | Path) -> Path:
    """As long as this file exists, the job that is to lose its worker waits for that."""
    return Path(archive).parent / "waits-for-the-kill"


def meet(trouble: Trouble | None, ctx: Context, archive: str) -> None:
    """Let happen what is planned for this phase of this file: for almost all of them, nothing."""
    match trouble, ctx.phase:
        case Trouble.IS_CANCELLED, "digest":
            _wait_until_cancelled(ctx)
        case Trouble.KILLS_ITS_WORKER, "digest":
            time.sleep(LAST_WORDS)
            os.kill(os.getpid(), signal.SIGKILL)
        case Trouble.LOSES_ITS_WORKER, "pack":
            _wait_while(curtain(archive), ctx)
        case Trouble.FAILS_AFTER_PACKING, "verify":
            raise GiveUp("the demo has planned that this comparison fails")
        case _:
            pass


def _wait_until_cancelled(ctx: Context) -> None:
    over = time.monotonic() + PATIENCE
    while not ctx.cancelled and time.monotonic() < over:
        ctx.progress(0, note="waits to be cancelled")
        time.sleep(0.02)
    raise InterruptedError("asked to stop" if ctx.cancelled else "nobody cancelled it")


def _wait_while(path: Path, ctx: Context) -> None:
    over = time.monotonic() + PATIENCE
    while path.exists() and not ctx.cancelled and time.monotonic() < over:
        time.sleep(0.02)
