"""A process that is nothing but a worker: signals, and an end whatever handlers do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae.ports import Store
from parcae_adapters.worker.worker import CLEANUP, Worker

log = logging.getLogger("parcae.worker")

GRACE = 2.0
"""Seconds, beyond drain and clean-up, after which the process ends by force."""


def run_worker(
    open_store: Callable[[], Store | Awaitable[Store]], jobs: Jobs, **options: Any
) -> None:
    """Run a worker in this process until SIGTERM or SIGINT, then drain.

    A second signal cuts the drain short. If a handler blocks the event loop or a thread for ever,
    the process ends all the same; its leases lapse, and the reconciler says so.

    Args:
        open_store: opens the store, in this process.
        jobs: what can be run here.
        **options: of :class:`~parcae_adapters.worker.Worker`.
    """
    finished = threading.Event()
    try:
        asyncio.run(_main(open_store, jobs, options, finished))
    finally:
        finished.set()


async def _main(
    open_store: Callable[[], Store | Awaitable[Store]],
    jobs: Jobs,
    options: dict[str, Any],
    finished: threading.Event,
) -> None:
    opened = open_store()
    store = await opened if isinstance(opened, Awaitable) else opened
    worker = Worker(Engine(store), jobs, **options)
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        worker.stop()
        if len(received) <= 2:
            drain = worker.drain.total_seconds() if len(received) == 1 else 0.0
            _force_the_end(drain + CLEANUP + GRACE, finished)

    # The plain signal module, for a blocked event loop would never run the loop's own handlers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("worker %s is ready", worker.name)
    try:
        await worker.run()
    finally:
        await store.close()
    if worker.running:
        log.error("worker %s ends although %d handlers do not", worker.name, worker.running)
        _exit()


def _force_the_end(after: float, finished: threading.Event) -> None:
    def watch() -> None:
        if not finished.wait(after):
            log.error("the worker did not drain within its time: the process ends by force")
            _exit()

    threading.Thread(target=watch, daemon=True, name="parcae-watchdog").start()


def _exit() -> None:
    logging.shutdown()
    os._exit(1)
