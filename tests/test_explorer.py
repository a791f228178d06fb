"""The explorer itself: what it finds, that it is the shortest, that nothing is left out."""

from __future__ import annotations

import random

import pytest
from attrs import evolve

from parcae.state import Compensating, Running, Stored
from parcae.values import Status
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.clockwork import settled_times, shifted
from parcae_specs.explorer.model import Always, Fault, Model
from parcae_specs.explorer.names import lease_bits, rename
from parcae_specs.explorer.report import bound, bytes_per_state
from parcae_specs.explorer.schedule import Replay
from parcae_specs.explorer.search import Walk, explore
from parcae_specs.explorer.slices import DEEP
from parcae_specs.explorer.slices.parts import ends, job
from parcae_specs.explorer.space import Space

SMALL = Model(
    name="small",
    about="one job of one phase, two workers",
    jobs=(job("a"),),
    workers=2,
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.LATE: 1,
        Fault.CANCEL: 1,
    },
    sometimes=(ends(Status.COMPLETED), ends(Status.CANCELLED)),
)


def test_it_takes_the_same_steps_with_and_without_saying_what_they_are() -> None:
    space = Space(SMALL)
    walk = Walk(space)
    walk.run(limit=3_000)
    for world in walk.order[:1_500]:
        told = sorted(after for _, after, _ in space.steps(world))
        assert sorted(space.successors(world)) == told


def test_symmetry_over_workers_gives_the_same_verdict_in_fewer_worlds() -> None:
    plain = explore(SMALL)
    folded = explore(evolve(SMALL, symmetric=True))
    assert plain.clean
    assert folded.clean
    assert folded.space.memo.seen == plain.space.memo.seen
    assert plain.states / 2 <= folded.states < plain.states * 0.6, folded.states


@pytest.mark.parametrize("name", sorted(DEEP))
def test_relative_times_and_short_names_say_what_absolute_ones_do(name: str) -> None:
    """S26: a walk through worlds, and the same walk in real time, come to the same jobs."""
    draw = random.Random(7)
    for _ in range(8):
        _walk_both_ways(evolve(DEEP[name], symmetric=False), draw, 25)


def _walk_both_ways(model: Model, draw: random.Random, steps: int) -> None:
    space = Space(model)
    replay = Replay(model)
    world = space.first()
    for _ in range(steps):
        ways = list(space.steps(world))
        if not ways:
            return
        option, world, renames = draw.choice(ways)
        replay.step(option, renames)
        for slot, cell in enumerate(space.values(world)):
            # Once the clock has gone back, what was over before may lie less far behind.
            near = evolve(space.memo.scale, slack=space.memo.scale.slack - model.back)
            real = _shortened(space, replay, slot, cell)
            assert settled_times(real, near) == settled_times(cell, near), option


def _shortened(space: Space, replay: Replay, slot: int, like: Cell) -> Cell:
    """The real cell by relative times, and by the names that the world has for its tokens."""
    real = replay.run.cells[slot]
    if real.stored is None:
        return like if like.stored is None else Cell()
    cell = settled_times(shifted(real, space.memo.seconds(replay.elapsed)), space.memo.scale)
    assert like.stored is not None
    known = [replay.tokens[slot][rank] for rank in range(1, int(like.stored.job.token) + 1)]
    bits = lease_bits(cell)
    for token in known:
        bits |= 1 << token
    request = like.stored.job.lease is not None and like.stored.job.lease.request != "-"
    place = int(like.stored.job.place)
    short = rename(cell, bits, request=request, place=place).cell
    assert short.stored is not None
    if request:
        short = evolve(short, stored=_asked_as(short.stored, like.stored))
    return short


def _asked_as(stored: Stored, like: Stored) -> Stored:
    """The same job under the request key that the world has for it."""
    state, wanted = stored.job.state, like.job.lease
    assert isinstance(state, Running | Compensating)
    assert state.lease is not None
    assert wanted is not None
    lease = evolve(state.lease, request=wanted.request)
    return evolve(stored, job=evolve(stored.job, state=evolve(state, lease=lease)))


def test_a_property_that_does_not_hold_is_refuted_by_the_shortest_schedule() -> None:
    never = Always(name="no job completes", holds=lambda cell: cell.status is not Status.COMPLETED)
    found = explore(evolve(SMALL, always=(never,)))
    assert found.violation is not None
    assert found.violation.guarantee == "no job completes"
    assert [option.verb for _, option, _ in found.path if option] == [
        "claims",
        "begins a",
        "has done a",
    ]


def test_what_is_never_reached_is_an_error_for_the_model_proves_less_than_it_seems_to() -> None:
    found = explore(evolve(SMALL, sometimes=(ends(Status.COMPENSATED),)))
    assert found.violation is not None
    assert found.violation.guarantee == "vacuous"
    assert not found.clean


def test_the_report_always_says_where_the_exploration_ended() -> None:
    found = explore(SMALL, limit=500)
    text = bound(found)
    assert "stopped before the end" in text
    assert "left out:" in text
    assert "refused:" in text
    assert not found.clean


def test_a_world_takes_at_most_150_bytes() -> None:
    found = explore(evolve(DEEP["dependency"]), limit=60_000)
    assert bytes_per_state(found) <= 150
