"""Cron expressions by cronsim, time zones by zoneinfo: the calendar of schedules.

cronsim reads expressions and walks the dates they name. What a local time means on a day on which
the clocks change is decided here, as Debian's cron decides it:

- An expression whose minutes and hours are both named (neither field begins with ``*``) has each
  of its local times once. One that is left out by the clocks going forward comes at the instant
  they do so; of one that comes twice, because they go back, the first counts.
- Any other expression goes by the clock on the wall: what is left out does not come, and what
  comes twice is meant twice.

(cronsim has a mode of its own for this. It answers with a past instant when asked in the second
of two equal hours, and misses half an hour where the clocks go back by half an hour.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from parcae.values import Instant

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
"""Longer than any clock was ever set forth or back."""

FIELDS = "five fields (minute, hour, day of the month, month, day of the week)"


class CronCalendar:
    """A :class:`parcae.schedules.Calendar` on this machine's time zone data."""

    def check(self, cron: str, zone: str) -> None:
        """Refuse an expression or a zone that means nothing.

        Raises:
            ValueError: saying what was expected.
        """
        _walk(cron, datetime(2000, 1, 1))  # noqa: DTZ001 - a date on the wall, nowhere yet
        _zone(zone)

    def after(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The first tick later than ``instant``; ``None``: none within fifty years.

        Raises:
            ValueError: saying what was expected.
        """
        where = _zone(zone)
        # If the clocks are about to go back, times that have passed on the wall come again.
        wall = min(_wall(instant, where), _wall(instant + DAY, where) - DAY)
        best: Instant | None = None
        for local in _walk(cron, wall - SECOND):
            meant = _meant(local, where, fixed=_fixed(cron))
            later = [one for one in meant if one > instant]
            best = min([*later, *([best] if best else [])], default=None)
            if best is not None and meant and meant[0] >= best:
                break
        return best

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        """The last tick no later than ``instant``; ``None``: none within fifty years.

        Raises:
            ValueError: saying what was expected.
        """
        where = _zone(zone)
        # If the clocks have just gone back, times that are still to come were there already.
        wall = max(_wall(instant, where), _wall(instant - DAY, where) + DAY)
        best: Instant | None = None
        for local in _walk(cron, wall + SECOND, reverse=True):
            meant = _meant(local, where, fixed=_fixed(cron))
            passed = [one for one in meant if one <= instant]
            best = max([*passed, *([best] if best else [])], default=None)
            if best is not None and meant and meant[-1] <= best:
                break
        return best


def _walk(cron: str, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """The local times that ``cron`` names, from past ``start`` on."""
    if len(cron.split()) != 5:
        raise ValueError(f"expected {FIELDS}, got {cron!r}")
    try:
        return CronSim(cron, start, reverse=reverse)
    except CronSimError as error:
        raise ValueError(f"expected {FIELDS}, got {cron!r}: {error}") from error


def _zone(name: str) -> ZoneInfo:
    try:
        # What goes by this name differs from host to host.
        if name != "localtime":
            return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        pass
    raise ValueError(f"expected a time zone such as UTC or Europe/Berlin, got {name!r}")


def _fixed(cron: str) -> bool:
    return not any(field.startswith("*") for field in cron.split()[:2])


def _wall(instant: Instant, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _meant(local: datetime, zone: ZoneInfo, *, fixed: bool) -> tuple[Instant, ...]:
    """The instants at which clocks show ``local``, in their order, or what counts as such."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if first < second:
        return (first,) if fixed else (first, second)
    return (_change(second, first, zone),) if fixed else ()


def _change(before: Instant, after: Instant, zone: ZoneInfo) -> Instant:
    """The instant in between at which the clocks go forward."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
