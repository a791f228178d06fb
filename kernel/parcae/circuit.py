"""A circuit for each endpoint: one that fails again and again is left alone, for ever longer.

It keeps the places of a sender for receivers that answer, and tries from being burned by one that
is down. It grants and forbids nothing that is owed: what is not taken now stays due.
"""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae.values import Instant, minutes, seconds

THRESHOLD = 5
"""So many failures in a row open it."""
FIRST_WAIT = seconds(5)
LONGEST_WAIT = minutes(5)
"""Each probe that fails doubles the wait, up to this."""


@frozen(kw_only=True)
class Circuit:
    """How an endpoint has been doing. A new one is closed: nothing is known against it.

    Attributes:
        failures: in a row, up to now.
        openings: how often it was opened since it last answered well.
        until: it is open until then, and may be probed from then on; ``None``: it is closed.
    """

    failures: int = 0
    openings: int = 0
    until: Instant | None = None

    @property
    def closed(self) -> bool:
        """Whether it is sent to as usual."""
        return self.until is None


def succeeded() -> Circuit:
    """After a success: whoever answers well has nothing against it any more."""
    return Circuit()


def failed(circuit: Circuit, now: Instant, asked: timedelta | None = None) -> Circuit:
    """After a failure.

    Args:
        circuit: before it.
        now: the present instant.
        asked: for how long the receiver asked to be left alone. It opens the circuit at once,
            but for no longer than :data:`LONGEST_WAIT`: one answer is not to silence it for a day.
    """
    failures = circuit.failures + 1
    least = timedelta(0) if asked is None else min(asked, LONGEST_WAIT)
    if circuit.until is not None and now < circuit.until:
        # It was under way when the circuit opened, and says nothing new but for what it asks.
        return replace(circuit, failures=failures, until=max(circuit.until, now + least))
    if circuit.closed and failures < THRESHOLD and not least:
        return replace(circuit, failures=failures)
    openings = circuit.openings + 1
    return Circuit(
        failures=failures, openings=openings, until=now + max(wait_after(openings), least)
    )


def wait_after(openings: int) -> timedelta:
    """For how long it stays open once it was opened so often, 1 being the first time."""
    # Beyond that exponent the longest wait holds whatever the first one is.
    return min(FIRST_WAIT * (1 << min(openings - 1, 20)), LONGEST_WAIT)


def room(circuit: Circuit, now: Instant, *, most: int, busy: int) -> int:
    """How many more may be sent to it now.

    Each failure in a row halves what a closed one is given, so that many that go down at once
    hold few places while they are found out. An open one gets none, and then a single probe.

    Args:
        circuit: how it has been doing.
        now: the present instant.
        most: how many it may have at once while all is well; at least 1.
        busy: how many it has.
    """
    if circuit.until is None:
        return max(0, max(1, most >> min(circuit.failures, 30)) - busy)
    return 1 if now >= circuit.until and not busy else 0
