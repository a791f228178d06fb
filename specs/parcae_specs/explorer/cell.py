"""One job in a world: what the store has of it, and what its observer remembers.

A world is explored at one instant, :data:`NOW`: times are kept relative to it, and the passing of
time moves them instead of the clock. So worlds that differ only in when they happened are one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae.commands import Command
from parcae.state import Stored
from parcae.values import Instant, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""The instant at which every explored world stands."""

ZERO = timedelta(0)

Taken = tuple[int, Command, Status]
"""A result that was accepted: under which token, what, and the status that was answered."""


@frozen(kw_only=True)
class Ghost:
    """What an observer has seen of one job: finite, and drawn from the kernel's answers alone.

    Attributes:
        done: the phases that ever completed or were carried over, as a bit mask.
        cut: those that were ever cut off in work and have not completed since.
        undone: those whose undo has succeeded.
        live: the phase in work, or -1.
        asked: a cancel was requested.
        forced: a cancel was forced, so that overlaps are lawful.
        ended: a terminal event has happened.
        burned: attempts burned.
        released: leases of forward work given back in shutdowns.
        losses: leases of forward work lost.
        undo_burned: tries burned of the undo that is next.
        undo_released: leases given back while that undo was next.
        held_until: the last expiry that the present holder was told.
        alive_until: until when a holder that was fenced off could be alive.
        settled: the dependencies that were settled well, as a bit mask.
        carried: a later job took over what this one did.
        taken: results that were accepted under tokens that somebody still knows.
    """

    done: int = 0
    cut: int = 0
    undone: int = 0
    live: int = -1
    asked: bool = False
    forced: bool = False
    ended: bool = False
    burned: int = 0
    released: int = 0
    losses: int = 0
    undo_burned: int = 0
    undo_released: int = 0
    held_until: Instant | None = None
    alive_until: Instant | None = None
    settled: int = 0
    carried: bool = False
    taken: tuple[Taken, ...] = ()


@frozen(kw_only=True)
class Cell:
    """A job and its observer; ``stored`` is ``None`` before admission and after deletion."""

    stored: Stored | None = None
    ghost: Ghost = Ghost()

    @property
    def status(self) -> Status | None:
        """Where the job stands; ``None``: there is none."""
        return None if self.stored is None else self.stored.job.status

    @property
    def quiet(self) -> bool:
        """Nothing more needs to happen to it."""
        return self.stored is None or self.stored.job.status.is_terminal


def later(at: Instant | None, by: timedelta) -> Instant | None:
    """``at`` moved by ``by``; ``None`` stays ``None``."""
    return None if at is None else at + by


def moved(ghost: Ghost, by: timedelta) -> Ghost:
    """An observer to whom all happened ``by`` later."""
    if ghost.held_until is None and ghost.alive_until is None:
        return ghost
    return replace(
        ghost,
        held_until=later(ghost.held_until, by),
        alive_until=later(ghost.alive_until, by),
    )
