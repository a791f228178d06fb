"""Event loops without real time: a scheduler picks which of them goes on, by a seed.

Within one strand callbacks keep their order, as asyncio promises; between strands any order may
come about, as between threads and processes. Time moves only when nobody has anything left to do.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")

BUSY = 100_000
"""Callbacks at one instant after which nothing more will come of it: somebody spins."""


class Spinning(Exception):
    """The strands keep each other busy without letting time pass."""


class Scheduler:
    """Virtual time, and everybody who lives in it."""

    def __init__(self, chance: Random) -> None:
        self.now = 0.0
        self.steps = 0
        self.troubles: list[str] = []
        self._chance = chance
        self._strands: list[Strand] = []
        self._alarms: list[tuple[float, int, Strand, asyncio.Handle]] = []
        self._alarm_count = 0
        self._quick = 0

    def strand(self, owner: Any) -> Strand:
        """A new event loop, which belongs to ``owner``."""
        made = Strand(self, owner)
        self._strands.append(made)
        return made

    def kill(self, strand: Strand) -> None:
        """Never run anything of ``strand`` again; nothing is cleaned up."""
        strand.dead = True
        strand.ready.clear()
        self._strands.remove(strand)

    def alarm(self, when: float, strand: Strand, handle: asyncio.Handle) -> None:
        """Have ``strand`` run ``handle`` at ``when``; at the same instant, the first set first."""
        self._alarm_count += 1
        heapq.heappush(self._alarms, (max(when, self.now), self._alarm_count, strand, handle))

    def run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Go on to the instant ``until``, or till it is ``over``.

        Raises:
            Spinning: time does not pass any more.
        """
        while not over():
            if not self._step(until):
                self.now = max(self.now, until)
                return

    def _step(self, until: float) -> bool:
        ready = [one for one in self._strands if one.ready and not one.held]
        if not ready:
            return self._advance(until)
        self.steps += 1
        self._quick += 1
        if self._quick > BUSY:
            raise Spinning(f"{BUSY} callbacks at {self.now}")
        pick = ready[int(self._chance.random() * len(ready))] if len(ready) > 1 else ready[0]
        pick.go_on()
        return True

    def _advance(self, until: float) -> bool:
        if not self._alarms or self._alarms[0][0] > until:
            return False
        if self._alarms[0][0] > self.now:
            self.now, self._quick = self._alarms[0][0], 0
        while self._alarms and self._alarms[0][0] <= self.now:
            _, _, strand, handle = heapq.heappop(self._alarms)
            if not strand.dead and not handle.cancelled():
                strand.ready.append(handle)
        return True


class Strand(asyncio.BaseEventLoop):
    """One thread's event loop."""

    def __init__(self, scheduler: Scheduler, owner: Any) -> None:
        super().__init__()
        self.owner = owner
        self.ready: deque[asyncio.Handle] = deque()
        self.held = False
        self.dead = False
        self._scheduler = scheduler
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(self._trouble)

    def _trouble(self, _: object, context: dict[str, Any]) -> None:
        if not self.dead:
            raised = context.get("exception")
            self._scheduler.troubles.append(f"{context['message']}: {raised!r}")

    def time(self) -> float:
        """Virtual seconds."""
        return self._scheduler.now

    def go_on(self) -> None:
        """Run the first callback that is ready."""
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run ``callback`` after those that are ready already; of a dead strand: never."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dead:
            self.ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """The same, for there is one real thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run ``callback`` at the virtual instant ``when``."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.dead:
            self._scheduler.alarm(when, self, handle)
        return handle

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task, remembered until it is done: nobody else may hold what waits in a dead strand."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        if len(self._tasks) > 50:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)
        return task

    def dispose(self) -> None:
        """Take apart what never ended, so that nothing of it runs when memory is freed."""
        self.dead = True
        self.ready.clear()
        asyncio._set_running_loop(self)
        try:
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
        finally:
            asyncio._set_running_loop(None)
        self.close()


def _close(coroutine: Any) -> None:
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # It awaits something in a ``finally``: close it there, too.
        except BaseException:  # noqa: BLE001 - whatever it says, it is dead
            return
        else:
            return
