"""What is explored: jobs, workers, and how much may go wrong. A slice is one such value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum

from attrs import Factory, frozen

from parcae.commands import Submit
from parcae.events import Event
from parcae.spec import RetryMode
from parcae.values import Status
from parcae_specs.explorer.cell import ZERO, Cell

Seen = Callable[[Cell, tuple[Event, ...]], bool]
"""Whether a step into this cell, with these events, is what a ``sometimes`` looks for."""


class Fault(StrEnum):
    """What a model may grant a number of; ``None`` there is as often as it likes."""

    CRASH = "crash"
    LOST = "lost answer"
    LATE = "late call"
    TWICE = "doubled call"
    FAIL = "handler raises"
    GIVE_UP = "handler gives up"
    RELEASE = "shutdown"
    RENEW = "renewal"
    CANCEL = "cancel"
    FORCE = "forced cancel"
    ABANDON = "host gives up"
    DELETE = "deletion"
    SETTLE = "dependency settles"
    RETRY = "manual retry"
    BACK = "clock goes back"


class Fair(StrEnum):
    """Who can be relied upon, in a liveness property, to act again and again."""

    CLOCK = "time passes"
    RECONCILER = "the reconciler looks"
    WORKERS = "each worker goes on"


@frozen(kw_only=True)
class Always:
    """A property of every cell; the user's own go here.

    Attributes:
        name: what it says.
        holds: whether it does.
    """

    name: str
    holds: Callable[[Cell], bool]


@frozen(kw_only=True)
class Sometimes:
    """Something that has to be reached, or the model proves less than it seems to."""

    name: str
    seen: Seen


@frozen(kw_only=True)
class Eventually:
    """Something that every world comes to, whatever happens, as long as ``fair`` act.

    Attributes:
        guarantee: its id.
        name: what it says.
        reached: whether a world has come to it, its jobs given.
        fair: the weakest assumptions under which it holds.
    """

    guarantee: str
    name: str
    reached: Callable[[tuple[Cell, ...]], bool]
    fair: frozenset[Fair]


def _all_quiet(cells: tuple[Cell, ...]) -> bool:
    return all(cell.quiet for cell in cells)


EVERY_JOB_ENDS = Eventually(
    guarantee="L1",
    name="every admitted job ends",
    reached=_all_quiet,
    fair=frozenset({Fair.CLOCK, Fair.RECONCILER, Fair.WORKERS}),
)


@frozen(kw_only=True)
class Model:
    """A feature slice.

    Attributes:
        name: of the slice.
        about: what it explores, in a sentence.
        jobs: the jobs admitted in the first world; ``None`` is room for a manual retry.
        workers: how many.
        faults: how much may go wrong, and how often the host may intervene.
        modes: the manual retries that may be tried.
        outcomes: how dependencies may settle.
        skew: by how much each worker's clock is ahead; the last is the reconciler's.
        back: how far the clock jumps when it goes back.
        retention: for how long an ended job is kept.
        asleep: how long the reconciler may oversleep; ``None``: for ever, and what lies
            further back than :data:`~parcae_specs.explorer.clockwork.LONG_AGO` is all alike.
        beat: no more time than this passes at once, beside the jumps to what is due next.
        symmetric: workers are interchangeable: for safety only.
        always: properties of every cell, beside the guarantees.
        sometimes: what has to be reached.
        eventually: what every world has to come to.
        exempt: guarantees that this slice cannot speak about.
        left_out: what it does not explore.
    """

    name: str
    about: str
    jobs: tuple[Submit | None, ...]
    workers: int = 2
    faults: Mapping[Fault, int | None] = Factory(dict)
    modes: tuple[RetryMode, ...] = ()
    outcomes: tuple[Status, ...] = ()
    skew: tuple[timedelta, ...] = ()
    back: timedelta = ZERO
    retention: timedelta = ZERO
    asleep: timedelta | None = ZERO
    beat: timedelta | None = None
    symmetric: bool = False
    always: tuple[Always, ...] = ()
    sometimes: tuple[Sometimes, ...] = ()
    eventually: tuple[Eventually, ...] = ()
    exempt: frozenset[str] = frozenset()
    left_out: str = ""

    def clock(self, actor: int) -> timedelta:
        """By how much the clock of this worker, or with -1 of the reconciler, is ahead."""
        return self.skew[actor] if self.skew else ZERO
