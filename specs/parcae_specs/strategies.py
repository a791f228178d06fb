"""Hypothesis strategies: specs, jobs that real histories lead to, and worlds of many actors.

Every job here was built by commands that ``decide`` took: no state is invented.
"""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve as replace
from hypothesis import strategies as st

from parcae import commands as c
from parcae.spec import (
    Carried,
    Dependency,
    DependencyPolicy,
    Lost,
    OnLost,
    Origin,
    PhaseSpec,
    Retry,
    RetryMode,
    Spec,
    Timing,
    UndoSpec,
)
from parcae.values import JobId, seconds
from parcae_specs.story import PAYLOAD, Story, at
from parcae_specs.worlds import BACKWARD, OFFSETS, STEPS, World, wander

NAMES = ("a", "b", "c")
ORIGIN = JobId("019b76da-a800-7000-8000-00000000000f")


def durations(*lengths: float) -> st.SearchStrategy[timedelta]:
    """One of these, in seconds."""
    return st.sampled_from([seconds(length) for length in lengths])


def retries(most: int = 3) -> st.SearchStrategy[Retry]:
    """Small policies."""
    return st.builds(
        Retry,
        max_attempts=st.integers(1, most),
        backoff=durations(0, 1, 5),
        jitter=st.sampled_from([0, 50]),
        give_up_on=st.sampled_from([(), ("ValueError",)]),
        max_releases=st.integers(0, 2),
    )


def undo_specs() -> st.SearchStrategy[UndoSpec]:
    """How a phase is undone."""
    return st.builds(UndoSpec, unknown=st.booleans(), retry=retries(2))


PARENTS = st.lists(
    st.builds(
        Dependency,
        parent=st.sampled_from([JobId("p"), JobId("q")]),
        policy=st.sampled_from(DependencyPolicy),
    ),
    max_size=2,
    unique_by=lambda one: one.parent,
)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """What a job may be admitted with: all that matters, small."""
    count = draw(st.integers(1, 3))
    maybe_undo = st.none() | undo_specs()
    waits = draw(st.integers(0, 3)) == 0
    return Spec(
        kind="demo",
        phases=tuple(PhaseSpec(name=name, undo=draw(maybe_undo)) for name in NAMES[:count]),
        payload=PAYLOAD,
        run_at=draw(st.sampled_from([None, None, at(20)])),
        deadline=draw(st.sampled_from([None, None, None, at(70)])),
        retry=draw(retries()),
        on_lost=OnLost(
            action=draw(st.sampled_from([Lost.RETRY, *Lost])), times=draw(st.integers(0, 2))
        ),
        timing=draw(timings()),
        dependencies=draw(PARENTS) if waits else (),
        seed=draw(st.integers(0, 3)),
    )


def timings() -> st.SearchStrategy[Timing]:
    """Durations that meet and pass each other."""
    return st.builds(
        Timing,
        lease=st.just(seconds(30)),
        attempt=durations(900, 900, 20, 60),
        cancel_grace=durations(30, 10, 60),
        undo=durations(900, 20, 60),
        stale_after=st.sampled_from([None, None, None, seconds(60), seconds(300)]),
        deadline=st.sampled_from([None, None, None, seconds(100)]),
    )


@st.composite
def submissions(draw: st.DrawFn) -> c.Submit:
    """The admission of a job; one in four takes up an ended one."""
    spec = draw(specs())
    fresh = draw(st.integers(0, 3)) > 0
    if spec.dependencies or fresh:
        return c.Submit(spec=spec)
    mode = draw(st.sampled_from([RetryMode.RESUME, RetryMode.UNDO]))
    origin = Origin(job_id=ORIGIN, mode=mode, root=ORIGIN)
    names = [phase.name for phase in spec.phases if mode is RetryMode.RESUME or phase.undo]
    carried = tuple(
        Carried(phase=name, completed=draw(st.booleans()))
        for name in names[: len(spec.phases) - (mode is RetryMode.RESUME)]
    )
    if not carried:
        return c.Submit(spec=spec)
    spec = replace(spec, origin=origin)
    return c.Submit(spec=spec, carried=carried, not_before=draw(st.sampled_from([None, at(5)])))


def moves(most: int = 25) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Which of the sensible commands, and how far the clock moves before it."""
    move = st.tuples(st.integers(0, 15), st.integers(0, len(STEPS) + 2))
    return st.integers(0, most).flatmap(lambda n: st.lists(move, min_size=n, max_size=n))


def stories(most: int = 25) -> st.SearchStrategy[Story]:
    """A job and its history, wherever sensible commands lead."""
    return st.builds(wander, submissions(), moves(most))


@st.composite
def worlds(draw: st.DrawFn, most: int = 80) -> World:
    """Two workers, a canceller, a reconciler, an operator and lost answers, all held to the law."""
    offset = st.integers(0, len(OFFSETS) - 1)
    world = World(draw(submissions()), draw(st.tuples(offset, offset, offset, offset, offset)))
    actor = st.sampled_from([0] * 8 + [1] * 6 + [2] + [3] * 3 + [4] * 3 + [5] * 4)
    clock = st.integers(0, len(STEPS) + len(BACKWARD) + 4)
    step = st.tuples(actor, st.integers(0, 63), clock)
    for who, which, how_far in draw(st.lists(step, min_size=most // 2, max_size=most)):
        world.step(who, which, how_far)
    return world
