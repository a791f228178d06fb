"""In which everything has to come to its end: who is relied upon for that, and nobody else (L2)."""

from __future__ import annotations

from attrs import evolve

from parcae_specs.explorer.crowds.model import Crowd, Eventually, Mishap
from parcae_specs.explorer.crowds.slices.graphs import CHAIN, MOMENT
from parcae_specs.explorer.crowds.slices.groups import SAGA
from parcae_specs.explorer.crowds.slices.lanes import KEYS, LIMIT_ONE
from parcae_specs.explorer.crowds.slices.parts import member, together

STARTS = Eventually(guarantee="L2", name="waiting jobs of a queue below its limit start, and end")
SETTLES = Eventually(guarantee="L1", name="no job waits for ever for others that have ended")
GROUP_ENDS = Eventually(guarantee="L5", name="every group ends, undone or owed")


def _quiet(model: Crowd, wanted: Eventually, mishaps: dict[Mishap, int]) -> Crowd:
    name = f"{model.name}, in the end"
    return evolve(model, name=name, wanted=wanted, mishaps=mishaps, symmetric=False, reached=())


QUIET = (
    _quiet(
        LIMIT_ONE,
        STARTS,
        {Mishap.CRASH: 1, Mishap.FAIL: 1, Mishap.RELEASE: 1, Mishap.CANCEL: 1},
    ),
    _quiet(KEYS, STARTS, {Mishap.CRASH: 1, Mishap.FAIL: 1}),
    _quiet(CHAIN, SETTLES, {Mishap.FAIL: 1, Mishap.CRASH: 1, Mishap.CANCEL: 2}),
    _quiet(MOMENT, SETTLES, {Mishap.CANCEL: 1, Mishap.CRASH: 1}),
    _quiet(
        evolve(
            SAGA,
            first=(together(member("a~"), member("b~"), member(), compensate=True),),
            workers=1,
        ),
        GROUP_ENDS,
        {Mishap.FAIL: 1, Mishap.CRASH: 1},
    ),
)
