"""Waking coroutines of any event loop, from any thread; and the bus that stores are."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from parcae.errors import Unavailable
from parcae.ports import Clock
from parcae.values import Instant, JobId

T = TypeVar("T")

REMEMBERED = 10_000
"""Ends of jobs that are remembered for those who looked just before."""


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
        self._waiting: dict[JobId | None, set[asyncio.Future[None]]] = {}
        self._ended: OrderedDict[JobId, int] = OrderedDict()
        self._for_all = 0

    def mark(self) -> int:
        """How many commits were noticed so far."""
        return self._mark

    def notify(self, ended: Collection[JobId] | None = None) -> None:
        """There was a commit: wake whoever waits for any, and for the jobs that it ``ended``.

        ``None``: nobody knows which; wake everybody.
        """
        with self._lock:
            self._mark += 1
            if ended is None:
                self._for_all = self._mark
                waiting = [one for many in self._waiting.values() for one in many]
                self._waiting.clear()
            else:
                self._remember(ended)
                many = [self._waiting.pop(job_id, set()) for job_id in (None, *ended)]
                waiting = [one for futures in many for one in futures]
        if waiting:
            wake(waiting)

    def _remember(self, ended: Collection[JobId]) -> None:
        for job_id in ended:
            self._ended[job_id] = self._mark
            self._ended.move_to_end(job_id)
        while len(self._ended) > REMEMBERED:
            # Who looked before that end and waits only now is sent to look again.
            self._for_all = max(self._for_all, self._ended.popitem(last=False)[1])

    def close(self) -> None:
        """Wake everybody; from now on nobody can wait for a commit."""
        with self._lock:
            self._open = False
        self.notify()

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark``, or at ``until`` by the clock.

        Raises:
            Unavailable: the store was closed before.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._open:
                raise Unavailable("the store is closed")
            passed = self._news(job_id) > mark
            if not passed:
                self._waiting.setdefault(job_id, set()).add(future)
        if passed:
            # A loop around this call must not keep its event loop from everybody else.
            await asyncio.sleep(0)
            return self._mark
        try:
            await self._first(future, until)
        finally:
            self._leave(job_id, future)
        return self._mark

    def _news(self, job_id: JobId | None) -> int:
        """The last commit that concerns whoever waits for ``job_id``."""
        if job_id is None:
            return self._mark
        return max(self._for_all, self._ended.get(job_id, 0))

    def _leave(self, job_id: JobId | None, future: asyncio.Future[None]) -> None:
        with self._lock:
            waiting = self._waiting.get(job_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[job_id]

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
