"""A calendar of arithmetic alone: as many seconds as the expression says lie between its ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from parcae.values import Instant

_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


class EverySeconds:
    """A :class:`parcae.schedules.Calendar` in whose expressions a number of seconds stands."""

    def check(self, cron: str, zone: str) -> None:
        """Refuse what is no number, and any zone but UTC."""
        if zone != "UTC" or not cron.isdecimal() or not int(cron):
            raise ValueError(f"expected a number of seconds and UTC, got {cron!r} and {zone!r}")

    def after(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The first tick later than ``instant``."""
        last = self.upto(cron, zone, instant)
        return None if last is None else last + timedelta(seconds=int(cron))

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The last tick no later than ``instant``."""
        self.check(cron, zone)
        step = timedelta(seconds=int(cron))
        return _BEGIN + (instant - _BEGIN) // step * step
