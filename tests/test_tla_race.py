"""The race is between two walks of one graph, or it is none."""

from __future__ import annotations

import pytest
from attrs import evolve

from parcae_specs.tla import race
from parcae_specs.tla.models import Model
from parcae_specs.tla.race import Lap, run, walk
from parcae_specs.tla.tlc import Missing, tools

SHORT = Model(
    name="short",
    undo=("unknown",),
    offered=("claim", "start", "complete", "reconcile", "tick"),
    attempts=1,
)


# Half a second of the kernel's, three of TLC's; on a machine that is busy with others, many.
@pytest.mark.timeout(400)
def test_both_walk_the_same_states_by_as_many_steps() -> None:
    ours = walk(SHORT)
    assert (ours.states, ours.steps) == (1_764, 19_944)
    assert ours.size <= 150
    try:
        found = tools()
    except Missing as missing:
        pytest.skip(f"the kernel has walked alone: {missing}")
    theirs = run(SHORT, found)
    assert (theirs.states, theirs.steps) == (ours.states, ours.steps)


def test_a_race_tells_each_lap_and_the_ratio_with_its_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lap = Lap(states=1_000, steps=5_000, seconds=0.5, wall=0.6, size=80)
    laps = iter([lap, evolve(lap, seconds=2.0), lap, evolve(lap, seconds=1.0)])
    monkeypatch.setattr(race, "walk", lambda _: next(laps))
    monkeypatch.setattr(race, "run", lambda *_: next(laps))
    told = list(race.race(None, 2))  # type: ignore[arg-type]
    assert told[0] == (
        "1: kernel 2,000 states a second (0.5 s of processor, 0.6 s); "
        "TLC 500 states a second (2.0 s of processor, 0.6 s)"
    )
    assert told[2] == (
        "1,000 states, 5,000 steps of 2 jobs: the kernel's come 3.00 times as fast as TLC's "
        "(2.00 to 4.00); 80 bytes a state"
    )
