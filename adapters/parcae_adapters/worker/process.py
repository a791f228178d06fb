"""A process that is nothing but a worker: signals, and an end whatever handlers do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from parcae.definitions import Jobs
from parcae.employer import Employer
from parcae.engine import Engine
from parcae.ports import Store
from parcae_adapters.worker.worker import CLEANUP, Worker

log = logging.getLogger("parcae.worker")

Opens = Callable[[], Awaitable[AbstractAsyncContextManager[Employer]]]

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

    async def opened() -> Engine:
        store = open_store()
        return Engine(await store if isinstance(store, Awaitable) else store)

    run_worker_for(opened, jobs, **options)


def run_worker_for(open_employer: Opens, jobs: Jobs, **options: Any) -> None:
    """The same, for whoever gives work: an engine on a store, or one on a server elsewhere.

    Args:
        open_employer: opens it, in this process; it is closed at the end.
        jobs: what can be run here.
        **options: of :class:`~parcae_adapters.worker.Worker`.
    """
    finished = threading.Event()
    try:
        asyncio.run(_main(open_employer, jobs, options, finished))
    finally:
        finished.set()


async def _main(
    open_employer: Opens, jobs: Jobs, options: dict[str, Any], finished: threading.Event
) -> None:
    async with await open_employer() as employer:
        worker = Worker(employer, jobs, **options)
        await _run(worker, finished)
    if worker.running:
        log.error("worker %s ends although %d handlers do not", worker.name, worker.running)
        _exit()


async def _run(worker: Worker, finished: threading.Event) -> None:
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
    await worker.run()


def _force_the_end(after: float, finished: threading.Event) -> None:
    def watch() -> None:
        if not finished.wait(after):
            log.error("the worker did not drain within its time: the process ends by force")
            _exit()

    threading.Thread(target=watch, daemon=True, name="parcae-watchdog").start()


def _exit() -> None:
    logging.shutdown()
    os._exit(1)
