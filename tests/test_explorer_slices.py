"""The kernel, walked to the end of every slice: no guarantee is broken, and every job ends.

The counts are pinned: one that changes says that the kernel, or the world around it, has changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from parcae.lifecycle import TRANSITIONS
from parcae_specs.explorer.liveness import Graph
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fair
from parcae_specs.explorer.report import bytes_per_state
from parcae_specs.explorer.schedule import Replay
from parcae_specs.explorer.search import Found, explore, labelled
from parcae_specs.explorer.slices import DEEP, LIVELY, SLICES
from parcae_specs.explorer.toll import liveness_of

PINNED: Mapping[str, tuple[int, int, int]] = {
    "wire": (1_058_585, 6_153_585, 22),
    "lifecycle": (152_670, 693_157, 23),
    "saga": (27_867, 66_632, 34),
    "retry": (62_272, 114_730, 57),
    "clocks": (21_829, 61_841, 29),
    "dependency": (1_116, 3_265, 18),
    "lane": (49_654, 180_358, 23),
    "abandoned": (32_291, 102_369, 28),
}
"""Worlds, steps between them, and the depth of the last."""

LIVELY_WORLDS: Mapping[str, int] = {
    "alone": 18_770,
    "saga alone": 4_429,
    "pair": 11_433,
    "line": 14_010,
}

_FOUND: dict[str, Found] = {}


def found(name: str) -> Found:
    """What came of a slice; each is walked once."""
    if name not in _FOUND:
        _FOUND[name] = explore(SLICES[name])
    return _FOUND[name]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SLICES)
def test_no_guarantee_is_broken_in_any_world_of_a_slice(name: str) -> None:
    """S1 to S13, S16, S18 to S22, S24, S25, S28 to S30, L2, L3; in the clocks slice also S21."""
    result = found(name)
    assert result.violation is None, result.violation
    assert result.whole
    assert (result.states, result.transitions, result.depth) == PINNED[name]


@pytest.mark.timeout(600)
def test_more_than_a_million_worlds_are_walked_at_most_150_bytes_each() -> None:
    assert sum(found(name).states for name in SLICES) >= 1_000_000
    assert bytes_per_state(found("wire")) <= 150


@pytest.mark.timeout(600)
def test_every_arrow_of_the_lifecycle_is_taken_in_some_slice() -> None:
    """S2: what is in the table is reached, but for notes, and evidence nobody is left to give.

    All jobs of a slice have one shape: nothing migrates them.
    """
    taken = {arrow for name in SLICES for arrow in found(name).space.memo.arrows}
    wanted = {(status, event) for status, row in TRANSITIONS.items() for event in row}
    missed = {(status, event.__name__) for status, event in wanted - taken}
    assert {name for _, name in missed} <= {
        "Annotated",
        "Deleted",
        "LateResultRecorded",
        "Migrated",
        "Submitted",
    }


@pytest.mark.parametrize("name", LIVELY)
def test_every_admitted_job_ends_and_not_once_an_assumption_is_dropped(name: str) -> None:
    """L1, L5: time passes, the reconciler looks, each worker goes on: none can be spared."""
    said = liveness_of(LIVELY[name])
    assert f"{LIVELY_WORLDS[name]:,} worlds" in said
    assert said.count("a lasso") == len(Fair)


def test_a_lasso_is_made_of_real_steps_and_comes_back_to_where_it_began() -> None:
    """L1: without the clock, a job that waits for its retry waits for ever."""
    graph = Graph(LIVELY["pair"])
    lasso = graph.lasso(EVERY_JOB_ENDS, EVERY_JOB_ENDS.fair - {Fair.CLOCK})
    assert lasso is not None
    assert lasso.loop[0] == lasso.loop[-1] == lasso.prefix[-1]
    replay = Replay(graph.model)
    for _, option, renames in labelled(graph.space, [*lasso.prefix, *lasso.loop[1:]]):
        if option is not None:
            replay.step(option, renames)
    assert not any(cell.quiet for cell in replay.run.cells)


def test_the_deep_slices_reach_more_than_the_quick_ones() -> None:
    assert set(DEEP) <= set(SLICES)
    for name, model in DEEP.items():
        quick = {fault: most for fault, most in SLICES[name].faults.items() if most != 0}
        assert set(quick) <= set(model.faults), name
