"""When a delivery is tried again, and what an answer means (Standard Webhooks 1.0)."""

from __future__ import annotations

from datetime import timedelta

from parcae.deliveries.attempt import Attempt
from parcae.values import Instant, hours, minutes, mix, seconds

TIMEOUT = seconds(15)
"""How long a receiver has for its answer, unless told."""
LEASE = minutes(1)
"""How long a sender holds a delivery: longer than a try may take with all that is around it."""
WAITS = (
    seconds(5),
    minutes(5),
    minutes(30),
    hours(2),
    hours(5),
    hours(10),
    hours(14),
    hours(20),
    hours(24),
)
"""After the first try, the second, …: about three days, as the standard proposes."""
TRIES = len(WAITS) + 1
RELEASES = 100
"""So often a delivery may be given back unsent and burn nothing."""
LONGEST_WAIT = hours(24)
"""A receiver may ask for no more than that."""
JITTER = 10
"""Per cent by which a wait may be longer or shorter, so that what failed together comes apart."""
GONE = 410
_MICROSECOND = timedelta(microseconds=1)


def is_success(attempt: Attempt) -> bool:
    """Whether the receiver has taken it: 2xx, and nothing else; a redirect is a failure."""
    return attempt.status is not None and 200 <= attempt.status < 300


def is_gone(attempt: Attempt) -> bool:
    """Whether the receiver wants to be told of nothing any more."""
    return attempt.status == GONE


def next_try(now: Instant, tries: int, asked: timedelta | None, *seed: object) -> Instant:
    """When to try again after ``tries`` of them, the first counting 1.

    Args:
        now: the present instant.
        tries: how many have failed since it was owed or replayed.
        asked: for how long the receiver asked to be left alone.
        seed: what the jitter depends on, alone.
    """
    wait = WAITS[min(tries, len(WAITS)) - 1] // _MICROSECOND
    share = mix("delivery", tries, *seed) % (2 * JITTER * 1_000 + 1) - JITTER * 1_000
    wait += wait * share // 100_000
    least = timedelta(0) if asked is None else min(asked, LONGEST_WAIT)
    return now + max(wait * _MICROSECOND, least)
