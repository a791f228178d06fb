"""Clocks: the system's, and one that is moved by hand."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from parcae.values import Instant, instant
from parcae_adapters.wakeups import wake

LONGEST_NAP = 1.0
"""Seconds. Whoever sleeps looks at the clock at least this often, for it may be set meanwhile."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a hand-moved clock starts unless it is told otherwise."""


class SystemClock:
    """The time of this machine. It may be set, forth or back, while somebody sleeps."""

    def now(self) -> Instant:
        """The present instant."""
        return datetime.now(UTC)

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant`` or later, however the clock is set meanwhile."""
        while (left := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, LONGEST_NAP))


class ManualClock:
    """A clock that stands still until it is moved: tests run years in no time.

    It may be read, moved and slept by from any thread and any event loop.
    """

    def __init__(self, start: Instant = EPOCH) -> None:
        """A clock that shows ``start``.

        Raises:
            ValueError: ``start`` is naive.
        """
        self._lock = threading.Lock()
        self._now = instant(start)
        self._sleeping: dict[asyncio.Future[None], Instant] = {}

    def now(self) -> Instant:
        """The present instant."""
        return self._now

    def set(self, to: Instant) -> None:
        """Jump to ``to``, forth or back, and wake whoever slept until then.

        Raises:
            ValueError: ``to`` is naive.
        """
        with self._lock:
            self._move(instant(to))

    def advance(self, by: timedelta) -> Instant:
        """Move by ``by``, wake whoever slept until then, and return the new instant."""
        with self._lock:
            self._move(instant(self._now + by))
            return self._now

    def next_alarm(self) -> Instant | None:
        """The earliest instant that somebody sleeps until; ``None``: nobody sleeps."""
        with self._lock:
            return min(self._sleeping.values(), default=None)

    async def sleep_until(self, instant: Instant) -> None:
        """Return once the clock was moved to ``instant`` or past it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            reached = instant <= self._now
            if not reached:
                self._sleeping[future] = instant
        if reached:
            await asyncio.sleep(0)
            return
        try:
            await future
        finally:
            with self._lock:
                self._sleeping.pop(future, None)

    def _move(self, to: Instant) -> None:
        self._now = to
        woken = [future for future, until in self._sleeping.items() if until <= to]
        for future in woken:
            del self._sleeping[future]
        if woken:
            wake(woken)
