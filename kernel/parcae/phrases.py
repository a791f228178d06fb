"""Small words that all sentences about jobs share: instants, spans, counts, lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from parcae.values import Instant

MOST = 3
"""Of a list, so many are named; the others are counted."""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def at(instant: Instant) -> str:
    """An instant, to the second."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def span(duration: timedelta) -> str:
    """A duration in one unit: ``1.5s``, ``12s``, ``3m``, ``5h``, ``2d``; never a negative one."""
    seconds = max(duration.total_seconds(), 0.0)
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"


def when(instant: Instant, now: Instant) -> str:
    """An instant, and how far away it is."""
    if instant > now:
        return f"{at(instant)} (in {span(instant - now)})"
    return f"{at(instant)} ({span(now - instant)} ago)"


def count(number: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``; of a longer list the first ones, and how many more there are."""
    every: Sequence[str] = tuple(names)
    shown = every if len(every) <= MOST + 1 else (*every[:MOST], f"{len(every) - MOST} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def ago(then: Instant, now: Instant) -> str:
    """How long ago that was; where a clock was set back, how far in the future it lies."""
    return f"{span(then - now)} in the future" if then > now else f"{span(now - then)} ago"
