"""Definitions whose durations do not fit together are named, and no worker starts with them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from parcae import Context, Engine, Jobs, Timing, minutes, seconds
from parcae.validation import validate
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker


def work(ctx: Context) -> None:
    """Nothing."""


def defined(**kinds: dict[str, Any]) -> Jobs:
    """Definitions with these options."""
    jobs = Jobs()
    for kind, options in kinds.items():
        jobs.job(kind, **options)(work)
    return jobs


def test_given_the_defaults_then_there_is_no_finding() -> None:
    assert validate(defined(a={}, b={})) == ()
    assert validate(Jobs()) == ()


def test_given_several_kinds_then_each_finding_names_its_kind() -> None:
    hasty = Timing(lease=seconds(9), renewal=seconds(4))
    slow = {"timing": Timing(attempt=minutes(1)), "expected": minutes(1)}
    found = validate(defined(z=slow, a={"timing": hasty}, m={}))
    assert [(one.kind, one.finding.rule) for one in found] == [("a", "renewal"), ("z", "expected")]
    assert str(found[1]) == (
        "z: an attempt is expected to take 0:01:00, but may last only 0:01:00: it would be timed "
        "out although all is well (attempt=0:01:01)"
    )


def test_given_a_wait_for_the_stop_then_it_is_an_error_only_for_what_must_not_be_cut_off() -> None:
    jobs = defined(gentle={}, hard={"uninterruptible": True})
    found = validate(jobs, stop=minutes(15), drain=minutes(16), rerun=minutes(5))
    assert [(one.kind, one.finding.rule, one.finding.error) for one in found] == [
        ("gentle", "rerun", True),
        ("gentle", "stop", False),
        ("hard", "rerun", True),
        ("hard", "stop", True),
    ]


def test_given_an_error_then_a_worker_refuses_and_of_a_warning_it_speaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine(MemoryStore())
    slow = {"timing": Timing(attempt=minutes(1)), "expected": minutes(2)}
    with pytest.raises(ValueError, match=r"slow: .* 0:02:00, .* 0:01:00: .* \(attempt=0:02:01\)"):
        Worker(engine, defined(slow=slow))
    short = {"timing": Timing(deadline=minutes(1))}
    with caplog.at_level(logging.WARNING, "parcae.worker"):
        Worker(engine, defined(short=short))
    assert "short: 3 attempts and the waits between them may take 0:45:03" in caplog.text


def test_an_expected_runtime_is_a_duration() -> None:
    with pytest.raises(TypeError, match="timedelta"):
        defined(a={"expected": 5})
