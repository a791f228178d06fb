"""The real engine, workers and keepers in virtual time, under seeded faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
from attrs import evolve

from parcae import OnLost, Retry, Timing, seconds
from parcae.spec import PhaseSpec, Spec, UndoSpec
from parcae.values import blob
from parcae_specs.simulation.bound import Pace, bound, occupies
from parcae_specs.simulation.controls import CONTROLS, Control
from parcae_specs.simulation.run import Simulated, simulate

SEEDS = range(200)
HAPPENS = (
    *("ended completed", "ended failed", "ended cancelled", "ended compensated"),
    *("ended quarantined", "calamity: crash", "calamity: pause", "calamity: block"),
    *("calamity: jump", "calamity: skew", "calamity: drain", "cause: attempt timeout"),
    *("cause: lease lost", "cause: poison", "cause: outcome unknown", "cause: forced cancel"),
    *("cause: cancelled by request", "cause: stale in queue", "cause: deadline"),
    *("cause: compensation failed", "cause: attempts exhausted", "cause: undo requested"),
    *("Released", "CompensationReleased", "CompensationLost", "UndoRetryScheduled"),
    *("LateResultRecorded", "Deleted", "repeated claim", "acknowledged again"),
    *("acknowledged after deletion", "key reuse refused", "refused: already retried"),
    *("overlap, forced", "overlap, past the lease", "client gave up"),
)


@cache
def played() -> tuple[Simulated, ...]:
    return tuple(simulate(seed) for seed in SEEDS)


def test_safety_and_l8_given_two_hundred_seeds_of_faults_then_nothing_breaks_and_all_ends() -> None:
    """S1–S6, S9–S13, S16, S17, S19, S21, S29; L1–L3, L5, L6, L8."""
    assert {one.seed: one.broken for one in played() if one.broken} == {}
    assert all(one.took is not None and one.took <= one.bound for one in played())


def test_given_those_seeds_when_counted_then_whatever_can_happen_has_happened() -> None:
    seen = sum((one.seen for one in played()), Counter[str]())
    assert [what for what in HAPPENS if not seen[what]] == []


@pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one.name)
def test_given_a_planted_fault_when_the_seeds_are_played_then_one_of_them_finds_it(
    control: Control,
) -> None:
    for seed in (control.seed, *SEEDS):
        with control.plant():
            broken = simulate(seed).broken
        if broken:
            assert broken[0].startswith(control.breaks), (seed, broken)
            return
    pytest.fail(f"{len(SEEDS)} seeds did not find it")


def test_s26_given_a_seed_when_played_under_another_hash_seed_then_it_is_the_same_story() -> None:
    seeds = SEEDS[7:17]
    stories = [_elsewhere(seeds, hash_seed) for hash_seed in ("1", "4242")]
    assert stories[0] == stories[1] == [played()[seed].digest for seed in seeds]


def _elsewhere(seeds: range, hash_seed: str) -> list[str]:
    """The digests of ``seeds``, played in a process of its own."""
    code = (
        "from parcae_specs.simulation.run import simulate\n"
        f"for seed in {list(seeds)}: print(simulate(seed).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


ROOTS = [path for path in sys.path if path.endswith(("kernel", "adapters", "specs"))]

PACE = Pace(
    slots=2,
    notice=seconds(1),
    settle=seconds(1),
    told=seconds(0),
    longest=seconds(0),
    answer=seconds(0),
)
PLAIN = Spec(
    kind="plain",
    phases=(PhaseSpec(name="run"),),
    payload=blob("payload", b""),
    retry=Retry(max_attempts=1),
    on_lost=OnLost(),
    timing=Timing(lease=seconds(30), renewal=seconds(10), attempt=seconds(60), undo=seconds(20)),
)


def test_l8_given_one_job_when_the_bound_is_computed_then_it_is_what_the_prose_says() -> None:
    # Two starts: one that burns the attempt, one whose only phase was reported late. Each lasts
    # at most the attempt, until that is settled, and until the worker would have renewed.
    assert occupies(PLAIN, PACE) == 2 * seconds(60 + 1 + 10)
    waits = 2 * seconds(30 + 1 + 1)
    assert bound([PLAIN], PACE) == waits + seconds(142) + seconds(142) / 2
    assert bound([], PACE) == seconds(0)


def test_l8_given_more_jobs_or_attempts_or_undos_then_the_bound_is_longer() -> None:
    undone = (PhaseSpec(name="run", undo=UndoSpec()),)
    patient = evolve(PLAIN, retry=Retry(max_attempts=4, backoff=seconds(5)))
    longer = [
        bound([PLAIN, PLAIN], PACE),
        bound([patient], PACE),
        bound([evolve(PLAIN, phases=undone)], PACE),
        bound([PLAIN], evolve(PACE, slots=1)),
        bound([PLAIN], evolve(PACE, ahead=seconds(1))),
        bound([PLAIN], evolve(PACE, late=seconds(1))),
    ]
    assert all(one > bound([PLAIN], PACE) for one in longer)
