"""Constraints: whoever submits, however often, at most one job stands for all (S17)."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from parcae.spec import Spec, Unique, Until
from parcae.values import Status, seconds
from parcae_specs.explorer.crowds.model import Crowd, Mishap, ending
from parcae_specs.explorer.crowds.slices.parts import after, one
from parcae_specs.explorer.slices.parts import TWICE


def only(until: Until, **changes: Any) -> Spec:
    """A job of the one constraint of these slices."""
    period = seconds(2) if until is Until.EXPIRED else None
    unique = Unique(name="only", until=until, period=period, **changes)
    return one(retry=TWICE, unique=unique)


def _three(until: Until, **changes: Any) -> tuple[Spec, ...]:
    return (only(until, **changes),) * 3


MISHAPS = {Mishap.FAIL: 1, Mishap.CRASH: 1, Mishap.CANCEL: 1}

ENDED = Crowd(
    name="until ended",
    about="three submissions of one constraint, each of which may come at any time",
    first=(),
    later=_three(Until.ENDED),
    workers=1,
    mishaps=MISHAPS,
    reached=(ending(Status.COMPLETED), ending(Status.CANCELLED)),
    left_out="limits, dependents of the jobs that stand",
)
STARTED = evolve(ENDED, name="until started", later=_three(Until.STARTED))
EXPIRED = evolve(
    ENDED,
    name="until expired",
    later=_three(Until.EXPIRED),
    mishaps={Mishap.CRASH: 1, Mishap.CANCEL: 1},
)
FOREVER = evolve(
    ENDED,
    name="for ever",
    later=_three(Until.FOREVER),
    mishaps=MISHAPS | {Mishap.DELETE: 1},
)
REPLACED = evolve(
    ENDED,
    name="replaced",
    about="two submissions that each take the place of one that waits, and one that waits for it",
    first=(only(Until.ENDED, replace=True),),
    later=(*_three(Until.ENDED, replace=True)[:2], after(0)),
    mishaps={Mishap.FAIL: 1, Mishap.CANCEL: 1},
)
DEBOUNCED = evolve(
    ENDED,
    name="debounced",
    about="three submissions, after the last of which it runs a second, or two after the first",
    first=(),
    later=_three(Until.STARTED, replace=True, delay=seconds(1), at_most=seconds(2)),
    mishaps={Mishap.CRASH: 1, Mishap.CANCEL: 1},
)

CONSTRAINTS = (ENDED, STARTED, EXPIRED, FOREVER, REPLACED, DEBOUNCED)
