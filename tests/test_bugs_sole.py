"""S28: every guard of the kernel is somewhere the sole reason of a refusal."""

from __future__ import annotations

from functools import cache

import pytest

from parcae.errors import Reason
from parcae_specs.bugs import asked
from parcae_specs.bugs import models as m
from parcae_specs.bugs.sole import (
    NAMING,
    Guard,
    Probe,
    guards,
    probes,
    refused,
    removed,
    renamed,
    sole,
)
from parcae_specs.explorer.slices import SLICES

GUARDS = {f"{guard} ({guard.number})": guard for guard in guards()}
WIDE = (m.FORWARD, m.WAITING, m.KEPT, m.CLOCKS, m.LATE_CLAIM, m.OVERSLEPT)
DEPTHS = ((WIDE, 400), ((m.OUTLIVED,), 3_000), ((SLICES["saga"],), 1_500))
"""How many worlds of each it takes to meet every guard alone."""


@cache
def _refused() -> dict[Reason, list[Probe]]:
    return refused([one for models, worlds in DEPTHS for one in probes(models, worlds)])


@pytest.mark.parametrize("name", GUARDS)
def test_s28_what_a_guard_refuses_is_taken_once_it_is_removed(name: str) -> None:
    guard: Guard = GUARDS[name]
    candidates = _refused().get(guard.reason, [])
    assert candidates, "no probe meets this reason"
    if guard.place in NAMING:
        assert sole(guard, candidates) is None
        assert renamed(guard, candidates) is not None
    else:
        assert sole(guard, candidates) is not None


RULES = {f"{guard} ({guard.number})": guard for guard in asked.guards()}


@pytest.mark.parametrize("name", RULES)
def test_s28_what_a_guard_of_many_jobs_refuses_is_taken_once_it_is_removed(name: str) -> None:
    guard: Guard = RULES[name]
    probe = asked.PROBES[guard.place]
    assert asked.refusal(probe) is guard.reason
    with removed(guard):
        left = asked.refusal(probe)
    assert left is not guard.reason
    assert (left is not None) is (guard.place in asked.NAMING)


def test_s28_the_guards_are_those_of_the_whole_decide_package() -> None:
    assert len(GUARDS) >= 25
    assert {guard.place for guard in GUARDS.values()} >= NAMING


def test_afterwards_a_removed_guard_is_there_again() -> None:
    from parcae.decide import fence

    before = fence.holds
    guard = next(guard for guard in GUARDS.values() if guard.function == "holds")
    with removed(guard):
        assert fence.holds is not before
    assert fence.holds is before
