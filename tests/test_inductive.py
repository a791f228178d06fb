"""Beyond every bound: what holds of a job, reachable or not, holds after any command to it.

The walks end somewhere; this is the step by which one goes on for ever. All small jobs in which the
invariant holds are put every command, at an instant at which some of their clocks have run out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from parcae import decide
from parcae.errors import Corrupt
from parcae.lifecycle import COMMANDS
from parcae.retry import Again
from parcae.spec import Lost, OnLost, Retry, Spec, Timing
from parcae.state import Stored
from parcae.values import Place, Status, seconds
from parcae_specs import invariants
from parcae_specs.invariants.lawful import faults
from parcae_specs.invariants.small import NOW, commands, jobs
from parcae_specs.story import Edge, given, put, spec, submit

BRISK = Timing(attempt=seconds(20), cancel_grace=seconds(1), undo=seconds(20))
SPECS = (
    spec(
        *("a?", "b~"),
        timing=BRISK,
        retry=Retry(max_attempts=2, jitter=0, max_releases=1),
        on_lost=OnLost(times=1),
    ),
    spec(
        *("a~", "b"),
        timing=BRISK,
        retry=Retry(max_attempts=1, max_releases=0),
        on_lost=OnLost(action=Lost.FAIL),
    ),
)


@cache
def lawful(which: Spec) -> Sequence[Stored]:
    """The small jobs of this spec in which the invariant holds."""
    return [one for one in jobs(which) if next(faults(one), None) is None]


def steps(which: Spec, every_so_many: int = 1) -> Iterator[Edge]:
    """Each of them, put every command."""
    every = tuple(commands(which))
    for stored in lawful(which)[::every_so_many]:
        for command in every:
            yield put(stored, command, NOW, Place(9))


def broken(edge: Edge) -> list[str]:
    """What a step has broken that held before it."""
    if edge.decision is None or edge.after is None:
        return []
    return list(faults(edge.after))


@pytest.mark.parametrize("which", SPECS, ids=["retries", "gives up"])
def test_the_invariant_holds_of_every_job_that_is_admitted(which: Spec) -> None:
    """S2, S3, S5, S10–S13, S19: the beginning."""
    stored = given(submit(*(one.name for one in which.phases))).stored
    assert stored is not None
    assert list(faults(stored)) == []


@pytest.mark.parametrize("which", SPECS, ids=["retries", "gives up"])
def test_whatever_it_holds_in_it_holds_after_every_command(which: Spec) -> None:
    """S2, S3, S5, S10–S13, S19, S25: the step. And no command finds such a job corrupt."""
    taken, refused = Counter[type](), Counter[type]()
    for edge in steps(which):
        assert broken(edge) == [], f"{edge.command} to {edge.before}"
        (refused if edge.decision is None else taken)[type(edge.command)] += 1
    ours = {type(command) for command in commands(which)}
    assert ours <= set(COMMANDS)
    assert set(taken) == ours
    assert len(refused) >= len(ours) - 4


def test_the_jobs_it_is_tried_on_are_of_every_kind_and_most_are_unlawful() -> None:
    found = Counter(stored.job.status for which in SPECS for stored in lawful(which))
    assert set(found) == set(Status) - {Status.PENDING}
    assert sum(found.values()) == 6_847


def test_guarantees_of_single_steps_hold_beyond_reach_too() -> None:
    """S3, S4, S5, S18, S20, S24, S25, S28: on one in forty of those jobs."""
    for edge in steps(SPECS[0], 40):
        assert list(invariants.of_edge(edge)) == [], f"{edge.command} to {edge.before}"


def test_a_kernel_that_retries_for_ever_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide.ending, "after_attempt", lambda *_: Again(seconds(1)))
    found = {what for edge in steps(SPECS[0], 7) for what in broken(edge)}
    assert "S19: 2 attempts are burned, and it goes on" in found


def test_a_kernel_without_its_fence_meets_a_corrupt_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decide, "holds", lambda *_: True)
    with pytest.raises((Corrupt, AssertionError)):
        for _ in steps(SPECS[0]):
            pass
