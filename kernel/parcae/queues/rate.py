"""How often jobs may start: a token bucket, as one instant (GCRA, ITU-T I.371)."""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from parcae.values import Instant, seconds, valid_duration, valid_number


@frozen(kw_only=True)
class Rate:
    """At most ``count`` starts in any ``per``, on the average, and ``burst`` of them at once.

    Attributes:
        count: starts.
        per: the time that they are spread over.
        burst: how many may start at once after a quiet time.
    """

    count: int = field(validator=valid_number(1, 1_000_000))
    per: timedelta = field(default=seconds(1), validator=valid_duration(timedelta(microseconds=1)))
    burst: int = field(default=1, validator=valid_number(1, 1_000_000))

    @property
    def interval(self) -> timedelta:
        """The time in which the bucket gains one token, in whole microseconds.

        Rounded up: rounded down, more than ``count`` would fit into ``per``.
        """
        return -(-self.per // self.count)


def spend(rate: Rate, free_at: Instant | None, now: Instant) -> Instant:
    """From when on the next job may start, once one has started at ``now``.

    Args:
        rate: how often.
        free_at: from when on this one might; ``None``: nothing has started lately.
        now: when it did.
    """
    full = now - rate.interval * (rate.burst - 1)
    return max(free_at or full, full) + rate.interval


def starts_left(rate: Rate, free_at: Instant | None, now: Instant) -> int:
    """How many may start at once at ``now``."""
    if free_at is None:
        return rate.burst
    if free_at > now:
        return 0
    return min((now - free_at) // rate.interval + 1, rate.burst)
