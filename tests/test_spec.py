"""What a job can be asked to be: bounds, and defaults that are generous but never infinite."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parcae.spec import Dependency, DependencyPolicy, OnLost, PhaseSpec, Retry, Timing
from parcae.values import MAX_DURATION, MAX_PHASES, JobId
from parcae_specs.story import spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 10_001},
        {"factor": 0},
        {"jitter": 101},
        {"jitter": -1},
        {"backoff": timedelta(seconds=-1)},
        {"cap": MAX_DURATION + timedelta(microseconds=1)},
        {"max_releases": -1},
    ],
    ids=str,
)
def test_a_retry_policy_is_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Retry(**wrong)


@pytest.mark.parametrize("wrong", [{"max_attempts": True}, {"max_attempts": 1.5}, {"backoff": 5}])
def test_a_policy_of_another_type_says_what_it_expects(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected a"):
        Retry(**wrong)


def test_every_duration_is_at_least_a_moment_and_never_infinite() -> None:
    for name in ("lease", "renewal", "attempt", "cancel_grace", "undo", "stale_after", "deadline"):
        for wrong in (timedelta(0), MAX_DURATION * 2):
            with pytest.raises(ValueError, match=name):
                Timing(**{name: wrong})
    for name in ("lease", "renewal", "attempt", "cancel_grace", "undo"):
        assert getattr(Timing(), name) > timedelta(0)


def test_phases_are_one_to_a_thousand_and_named_differently() -> None:
    for wrong in ((), (PhaseSpec(name="a"),) * 2):
        with pytest.raises(ValueError, match="phases"):
            spec(phases=wrong)
    many = tuple(PhaseSpec(name=str(i)) for i in range(MAX_PHASES + 1))
    assert len(spec(phases=many[:-1]).phases) == MAX_PHASES
    with pytest.raises(ValueError, match="1001"):
        spec(phases=many)


def test_a_job_depends_on_another_once() -> None:
    twice = [Dependency(parent=JobId("p"), policy=policy) for policy in DependencyPolicy][:2]
    with pytest.raises(ValueError, match="each job once"):
        spec(dependencies=twice)


def test_losses_are_counted_from_none() -> None:
    assert OnLost(times=0).times == 0
    with pytest.raises(ValueError, match="times"):
        OnLost(times=-1)
