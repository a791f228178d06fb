"""A clock that nobody sets: how much time has passed, wherever the machine thinks it is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from parcae.values import Instant

_LOOK = 1.0


class ElapsedClock:
    """Counts on from when it was made, whatever becomes of the machine's own clock.

    Where the system can tell, the time counts in which the machine slept: leases go on meanwhile.
    """

    def __init__(self) -> None:
        self._start = datetime.now(UTC)
        self._since = _elapsed()

    def now(self) -> Instant:
        """When it was made, and the time that has passed since."""
        return self._start + timedelta(seconds=_elapsed() - self._since)

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant`` or later."""
        while (left := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _LOOK))


def _elapsed() -> float:
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
