"""The guarantees over a whole log: on logs of random walks among many jobs, good and bad ones."""

from __future__ import annotations

import random

import pytest

from parcae.change import AnyEvent, Change, Revision
from parcae.ports import Recorded
from parcae.values import Position, StreamId, Version
from parcae_specs.bugs.crowded import CROWD_GUARDS, CROWDED
from parcae_specs.bugs.plant import planted
from parcae_specs.explorer.crowds.model import Crowd
from parcae_specs.explorer.crowds.search import Space
from parcae_specs.explorer.crowds.slices import SLICES
from parcae_specs.invariants import of_log

BUGS = {bug.name: bug for bug in (*CROWDED, *CROWD_GUARDS)}


def _recorded(log: list[Recorded[AnyEvent]], change: Change | Revision) -> None:
    stream = change.stream if isinstance(change, Revision) else StreamId(change.job_id)
    for number, event in enumerate(change.events, change.before + 1):
        at = Position(len(log) + 1)
        log.append(Recorded(position=at, stream=stream, version=Version(number), event=event))


def _walked(model: Crowd, seed: int, steps: int = 30) -> list[Recorded[AnyEvent]]:
    """The log of a random walk in real time."""
    space, draw = Space(model), random.Random(seed)
    hosts, log = space.hosts, list[Recorded[AnyEvent]]()
    world = hosts.empty()
    for done in hosts.beginnings(world):
        world = done.world
        for change in done.log:
            _recorded(log, change)
    for _ in range(steps):
        moves = list(space.moves(world))
        if not moves:
            break
        move = draw.choice(moves)
        world = move.world
        for change in move.log:
            _recorded(log, change)
    return log


@pytest.mark.parametrize("name", SLICES)
def test_logs_of_random_walks_keep_the_guarantees(name: str) -> None:
    """S6, S7, S8, S17."""
    for seed in range(10):
        assert list(of_log(_walked(SLICES[name], seed))) == []


@pytest.mark.parametrize(
    "name",
    [
        "a job of limit 1 ran eleven times at once",
        "a paused queue starts jobs",
        "the limit of each key is not kept",
        "a lane is served from its end",
        "a job is started though what it depends on has failed",
        "unique inserts race: two jobs stand for one constraint",
    ],
)
def test_logs_of_a_kernel_with_a_bug_do_not(name: str) -> None:
    """S6, S7, S8, S17: what the explorer finds, a reader of the log finds by the same name."""
    bug = BUGS[name]
    assert isinstance(bug.model, Crowd)
    with planted(*bug.changes):
        logs = [_walked(bug.model, seed) for seed in range(40)]
    broken = {one.partition(":")[0] for log in logs for one in of_log(log)}
    assert broken == {bug.guarantee}
