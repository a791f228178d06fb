"""A dispatcher in a process of its own that kills itself between two steps of its work.

``python dispatcher_victim.py DATABASE POINT``: at the third time that it comes to the point.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from hooks import dispatcher

from parcae.outbox_engine import OutboxEngine
from parcae_adapters.http.dispatcher import Dispatcher
from parcae_adapters.sqlite import SqliteStore

CONCURRENCY = 2
POINTS = (
    "before take",
    "after take",
    "before signing",
    "before connecting",
    "after the answer",
    "before report",
    "after report",
)


def between(sender: Dispatcher, point: str) -> None:
    """Have the process die at ``point``: without a farewell, and without an end to anything."""
    left = [3]

    def strike() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    where: dict[str, tuple[Any, str]] = {
        "take": (sender.engine, "take"),
        "signing": (sender.sender, "_post"),
        "connecting": (sender.sender, "_opened"),
        "the answer": (sender.sender, "send"),
        "report": (sender.engine, "settle"),
    }
    when, _, what = point.partition(" ")
    whose, name = where[what]
    real: Callable[..., Any] = getattr(whose, name)

    async def later(*args: Any, **options: Any) -> Any:
        if when == "before":
            strike()
        done = await real(*args, **options)
        if when == "after":
            strike()
        return done

    def at_once(*args: Any) -> Any:
        strike()
        return real(*args)

    setattr(whose, name, later if asyncio.iscoroutinefunction(real) else at_once)


async def main(database: str, point: str) -> None:
    """Dispatch until the point is reached."""
    sender = dispatcher(OutboxEngine(SqliteStore(database)), concurrency=CONCURRENCY)
    between(sender, point)
    await sender.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
