"""Many jobs at once, walked to the end of every slice: slots, lines, dependents, groups, keys.

The counts are pinned: one that changes says that the kernel, or the world around it, has changed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from attrs import evolve

from parcae.values import JobId
from parcae_specs.explorer.crowds.liveness import CrowdGraph, liveness_of
from parcae_specs.explorer.crowds.model import Crowd, Mishap
from parcae_specs.explorer.crowds.replay import matching, replay
from parcae_specs.explorer.crowds.report import bound
from parcae_specs.explorer.crowds.search import Found, Space, explore
from parcae_specs.explorer.crowds.slices import DEEP, LIVELY, SLICES
from parcae_specs.explorer.crowds.slices.lanes import LIMIT_ONE
from parcae_specs.explorer.crowds.slices.parts import after, one
from parcae_specs.explorer.model import Fair

PINNED: Mapping[str, tuple[int, int, int]] = {
    "limit one": (8_825, 20_105, 19),
    "limit two": (2_750, 6_611, 14),
    "keys": (550, 1_051, 14),
    "settings": (5_713, 20_574, 13),
    "patience": (197, 319, 15),
    "starts": (2_042, 4_440, 16),
    "parents": (7_634, 19_526, 14),
    "policies": (1_379, 3_219, 15),
    "chain": (470, 772, 12),
    "diamond": (485, 912, 12),
    "meanwhile": (6_610, 17_363, 14),
    "moment": (1_981, 4_176, 15),
    "group saga": (1_900, 2_991, 23),
    "group stop": (7_581, 15_278, 31),
    "batch": (4_484, 8_140, 16),
    "neighbours": (1_886, 3_340, 22),
    "until ended": (1_796, 3_241, 19),
    "until started": (5_362, 11_867, 18),
    "until expired": (3_073, 6_822, 18),
    "for ever": (449, 1_223, 13),
    "replaced": (3_164, 5_465, 17),
    "debounced": (2_256, 4_427, 19),
}
"""Worlds, steps between them, and the depth of the last."""

LIVELY_WORLDS: Mapping[str, int] = {
    "limit one, in the end": 2_506,
    "keys, in the end": 844,
    "chain, in the end": 565,
    "moment, in the end": 3_073,
    "group saga, in the end": 546,
}

_FOUND: dict[str, Found] = {}


def found(name: str) -> Found:
    """What came of a slice; each is walked once."""
    if name not in _FOUND:
        _FOUND[name] = explore(SLICES[name])
    return _FOUND[name]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SLICES)
def test_no_guarantee_is_broken_in_any_world_of_a_slice(name: str) -> None:
    """S1, S3, S5 to S9, S12, S13, S16, S17, S22, L1, L2, L5, of many jobs."""
    result = found(name)
    assert result.violation is None, result.violation
    assert result.whole
    assert (result.states, result.steps, result.depth) == PINNED[name]


@pytest.mark.parametrize("name", LIVELY)
def test_everything_ends_and_not_once_an_assumption_is_dropped(name: str) -> None:
    """L1, L2, L5: time passes, the reconciler looks, each worker goes on: none can be spared."""
    said = liveness_of(LIVELY[name])
    assert f"{LIVELY_WORLDS[name]:,} worlds" in said
    assert said.count("a lasso") == len(Fair)


def test_a_lasso_comes_back_to_where_its_loop_begins() -> None:
    """L2: without workers, who waits waits for ever."""
    graph = CrowdGraph(LIVELY["chain, in the end"])
    lasso = graph.endless({Fair.CLOCK, Fair.RECONCILER})
    assert lasso is not None
    assert not lasso[-1].quiet


@pytest.mark.parametrize("name", SLICES)
def test_short_names_and_relative_times_say_what_real_ones_do(name: str) -> None:
    """S26: a walk through shortened worlds, and the same walk in real time, stay the same."""
    space, draw = Space(SLICES[name]), random.Random(11)
    for _ in range(4):
        real = space.hosts.first()
        short = space.short(real)
        for _ in range(20):
            moves = list(space.moves(real))
            if not moves:
                break
            real = draw.choice(moves).world
            after = matching(space, short, space.short(real))
            assert after is not None
            short = space.short(after.world)


def test_symmetry_over_workers_gives_the_same_verdict_in_fewer_worlds() -> None:
    small = evolve(LIMIT_ONE, mishaps={Mishap.CRASH: 1, Mishap.FAIL: 1}, reached=())
    folded, plain = explore(small), explore(evolve(small, symmetric=False))
    assert folded.violation is None
    assert plain.violation is None
    assert folded.states < plain.states


def test_what_is_never_reached_is_reported_and_what_cannot_go_on_too() -> None:
    never = evolve(LIMIT_ONE, mishaps={}, reached=("quarantined",))
    result = explore(never)
    assert result.violation is not None
    assert result.violation.guarantee == "vacuous"
    stuck = Crowd(name="stuck", about="nobody works", first=(one(),), workers=0)
    result = explore(stuck)
    assert result.violation is not None
    assert result.violation.guarantee == "L1"
    assert replay(result).again


def test_a_dependency_on_a_job_that_is_not_there_is_refused() -> None:
    """S8: what comes first has to be admitted."""
    nobody = Crowd(name="nobody", about="a refusal", first=(after(JobId("nobody")),))
    with pytest.raises(AssertionError, match="refused"):
        explore(nobody)


def test_a_result_says_its_bound() -> None:
    said = bound(found("keys"))
    assert said.startswith("keys: ")
    assert "left out:" in said
    assert "all of them" in said
    assert "worker: claims" in said


def test_the_deep_slices_are_the_quick_ones_and_more() -> None:
    assert set(SLICES) < set(DEEP)
