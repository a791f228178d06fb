"""What a schedule asks of a calendar: which instants a cron expression means in a time zone."""

from __future__ import annotations

from typing import Protocol

from parcae.values import Instant


class Calendar(Protocol):
    """Cron expressions and time zones.

    1. It is pure but for the time zone rules it was built with: it reads no clock.
    2. All instants are in UTC. The ticks of an expression are the same whichever method finds
       them, and however often: ``after`` and ``upto`` walk one and the same sequence.
    3. No call takes longer because its instant lies far from now.
    """

    def check(self, cron: str, zone: str) -> None:
        """Refuse an expression or a zone that means nothing.

        Raises:
            ValueError: saying what was expected.
        """
        ...

    def after(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The first tick later than ``instant``; ``None``: there is none.

        Raises:
            ValueError: saying what was expected.
        """
        ...

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The last tick no later than ``instant``; ``None``: there is none.

        Raises:
            ValueError: saying what was expected.
        """
        ...
