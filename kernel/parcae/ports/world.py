"""Time, chance and wake-ups."""

from __future__ import annotations

from typing import Protocol

from parcae.values import Instant, JobId


class Clock(Protocol):
    """Time.

    1. ``now`` is an aware UTC datetime. It may jump, either way; the kernel bears that.
    2. ``sleep_until`` returns once ``now`` ≥ the instant; it may be awaited from any event loop.
    """

    def now(self) -> Instant:
        """The present instant."""
        ...

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant`` or later."""
        ...


class EventBus(Protocol):
    """Wake-ups: nothing that must happen depends on them, they only make it happen soon.

    1. ``mark`` counts commits; it never goes back.
    2. ``wait`` returns as soon as a commit, of this process or another, comes after ``mark``, even
       if it came before the call, or at ``until``; with the present mark. No commit is missed.
    3. With a job, only commits that announce its end or its deletion need count, so that many can
       wait for their jobs while others commit; returning for other commits too is lawful.
    4. It may be awaited from any event loop, in any thread, by many at once.
    """

    def mark(self) -> int:
        """How many commits were noticed so far."""
        ...

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark`` (for ``job_id``), or at ``until``."""
        ...


class Entropy(Protocol):
    """Chance, for those who implement :class:`Store`."""

    def __call__(self) -> int:
        """128 random bits."""
        ...
