"""Waking coroutines of any event loop, from any thread; and the bus that stores are."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

from parcae.ports import Clock
from parcae.values import Instant

T = TypeVar("T")


def call_into(loop: asyncio.AbstractEventLoop, what: Callable[[T], None], argument: T) -> None:
    """Have ``loop`` call ``what`` soon. In a loop that was closed meanwhile nobody waits."""
    try:
        loop.call_soon_threadsafe(what, argument)
    except RuntimeError:
        if not loop.is_closed():
            raise


def wake(futures: Iterable[asyncio.Future[None]]) -> None:
    """Resolve ``futures``, whatever loops they belong to, with one call into each loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for future in futures:
        by_loop[future.get_loop()].append(future)
    for loop, waiting in by_loop.items():
        call_into(loop, _resolve, waiting)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Wakeups:
    """An :class:`parcae.ports.EventBus` that is told of commits by :meth:`notify`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._mark = 0
        self._open = True
        self._waiting: set[asyncio.Future[None]] = set()

    def mark(self) -> int:
        """How many commits were noticed so far."""
        return self._mark

    def notify(self) -> None:
        """There was a commit: wake everybody."""
        with self._lock:
            self._mark += 1
            waiting, self._waiting = self._waiting, set()
        if waiting:
            wake(waiting)

    def close(self) -> None:
        """Wake everybody; from now on nobody waits for a commit."""
        with self._lock:
            self._open = False
        self.notify()

    async def wait(self, mark: int, until: Instant | None = None) -> int:
        """Return once there were more commits than ``mark``, or at ``until`` by the clock."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            passed = self._mark > mark or not self._open
            if not passed:
                self._waiting.add(future)
        if passed:
            # A loop around this call must not keep its event loop from everybody else.
            await asyncio.sleep(0)
            return self._mark
        try:
            await self._first(future, until)
        finally:
            with self._lock:
                self._waiting.discard(future)
        return self._mark

    async def _first(self, commit: asyncio.Future[None], until: Instant | None) -> None:
        if until is None:
            await commit
            return
        sleeper = asyncio.ensure_future(self._clock.sleep_until(until))
        try:
            await asyncio.wait({commit, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            if sleeper.done():
                sleeper.result()
        finally:
            sleeper.cancel()
