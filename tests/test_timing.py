"""Durations that do not fit together are found, with both numbers and a fix that mends them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from attrs import evolve as replace
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae.retry import delay
from parcae.spec import Retry, Timing
from parcae.timing import MARGIN, DueKind, Finding, check, closes_at, expired, next_due, too_late
from parcae.values import minutes, seconds
from parcae_specs.story import at, cancel, claim, given, renew, submit

FIX = re.compile(r"(\w+)=((?:\d+ days?, )?\d+:\d\d:\d\d(?:\.\d+)?)")
LENGTHS = st.timedeltas(timedelta(microseconds=1), timedelta(days=3))


def duration(text: str) -> timedelta:
    """What ``str`` of a duration says."""
    days, _, clock = text.rpartition(", ")
    hour, minute, second = clock.split(":")
    count = int(days.split()[0]) if days else 0
    return timedelta(days=count, hours=int(hour), minutes=int(minute)) + timedelta(
        microseconds=round(float(second) * 1_000_000)
    )


def applied(timing: Timing, context: dict[str, Any], name: str, value: timedelta) -> set[str]:
    """The rules still broken once one change is made."""
    if name in context:
        return {one.rule for one in check(timing, **{**context, name: value})}
    return {one.rule for one in check(replace(timing, **{name: value}), **context)}


def test_the_defaults_have_no_finding() -> None:
    assert check(Timing()) == ()
    assert check(Timing(), retry=Retry(), expected=minutes(14), drain=minutes(16)) == ()


TIMINGS = st.builds(
    Timing,
    lease=LENGTHS,
    renewal=LENGTHS,
    attempt=LENGTHS,
    stale_after=st.none() | LENGTHS,
    deadline=st.none() | LENGTHS,
)
CONTEXTS = st.fixed_dictionaries(
    {
        **{name: st.none() | LENGTHS for name in ("rerun", "drain", "stop", "expected")},
        "uninterruptible": st.booleans(),
        "retry": st.none()
        | st.builds(
            Retry,
            max_attempts=st.integers(1, 10_000),
            backoff=LENGTHS,
            cap=LENGTHS,
            factor=st.integers(1, 3),
        ),
    }
)


def at_worst(timing: Timing, retry: Retry | None) -> timedelta | None:
    """How long all attempts may take, wait by wait."""
    if retry is None:
        return None
    plain = replace(retry, jitter=0)
    waits = (delay(plain, burned) for burned in range(1, retry.max_attempts))
    return sum(waits, timing.attempt * retry.max_attempts)


@for_all(TIMINGS, CONTEXTS)
def test_a_finding_names_both_numbers_and_each_fix_mends_it(
    timing: Timing, context: dict[str, Any]
) -> None:
    findings = check(timing, **context)
    broken = {one.rule for one in findings}
    attempt, longest = timing.attempt, timing.attempt + MARGIN
    rerun, drain, stop, expected = (context[one] for one in ("rerun", "drain", "stop", "expected"))
    stale, deadline = timing.stale_after, timing.deadline
    worst = at_worst(timing, context["retry"])
    late = worst is not None and deadline is not None and worst > deadline
    assert ("renewal" in broken) == (timing.renewal * 3 > timing.lease)
    assert ("expected" in broken) == (expected is not None and expected >= attempt)
    assert ("rerun" in broken) == (rerun is not None and longest >= rerun)
    assert ("stale" in broken) == (stale is not None and longest >= stale)
    assert ("drain" in broken) == (drain is not None and drain <= attempt)
    assert ("stop" in broken) == (stop is not None and stop <= longest)
    assert ("deadline" in broken) == late
    numbers = {
        "renewal": (timing.renewal, timing.lease),
        "expected": (expected, attempt),
        "rerun": (attempt, rerun),
        "stale": (attempt, stale),
        "drain": (drain, attempt),
        "stop": (stop, attempt),
        "deadline": (worst, deadline),
    }
    for finding in findings:
        assert all(str(number) in finding.message for number in numbers[finding.rule])
        fixes = FIX.findall(finding.fix)
        assert fixes or finding.fix.startswith("deadline=None"), finding.fix
        for name, value in fixes:
            assert finding.rule not in applied(timing, context, name, duration(value)), finding
        fewer = re.search(r"max_attempts=(\d+)", finding.fix)
        if fewer is not None:
            retry = replace(context["retry"], max_attempts=int(fewer[1]))
            assert finding.rule not in {
                one.rule for one in check(timing, **{**context, "retry": retry})
            }
            one_more = replace(retry, max_attempts=retry.max_attempts + 1)
            assert finding.rule in {
                one.rule for one in check(timing, **{**context, "retry": one_more})
            }


def found(*findings: Finding) -> list[tuple[str, bool]]:
    """Their rules, and whether they are errors."""
    return [(one.rule, one.error) for one in findings]


def test_a_drain_that_cuts_off_what_must_not_be_is_an_error_else_a_warning() -> None:
    timing = Timing(attempt=minutes(5))
    assert found(*check(timing, drain=minutes(5))) == [("drain", False)]
    assert found(*check(timing, drain=minutes(5), uninterruptible=True)) == [("drain", True)]
    assert check(timing, drain=minutes(5) + seconds(1)) == ()


def test_a_stop_that_cuts_off_what_must_not_be_is_an_error_else_a_warning() -> None:
    timing = Timing(attempt=seconds(80))
    assert found(*check(timing, stop=seconds(90))) == [("stop", False)]
    assert found(*check(timing, stop=seconds(90), uninterruptible=True)) == [("stop", True)]
    assert check(timing, stop=seconds(91), uninterruptible=True) == ()


def test_the_fix_of_a_deadline_that_is_too_short_is_whole() -> None:
    timing = Timing(attempt=minutes(1), deadline=minutes(2))
    (finding,) = check(timing, retry=Retry(max_attempts=3, backoff=seconds(1)))
    assert finding.fix == "deadline=0:03:03 or max_attempts=1"
    (hopeless,) = check(replace(timing, deadline=seconds(5)), retry=Retry(max_attempts=1))
    assert hopeless.fix == "deadline=0:01:00"


def test_a_renewal_may_take_a_third_of_the_lease() -> None:
    assert check(Timing(lease=seconds(30), renewal=seconds(10))) == ()
    assert found(*check(Timing(lease=seconds(29), renewal=seconds(10)))) == [("renewal", True)]


def test_what_falls_due_first_and_what_never_does() -> None:
    story = given(submit("a"))
    assert next_due(story.job, None) is None
    story.when(claim())
    assert story.stored is not None
    due = next_due(story.job, story.stored.liveness)
    assert due is not None
    assert (due.at, due.kind) == (at(30), DueKind.LEASE)
    story.when(at(10), renew(), cancel())
    due = next_due(story.job, story.stored.liveness)
    assert due is not None
    assert (due.at, due.kind) == (at(40), DueKind.CANCEL_GRACE)
    story.when(cancel(force=True))
    assert next_due(story.job, None) is None


def test_s24_a_lease_is_over_from_its_very_expiry_on() -> None:
    stored = given(submit("a"), claim()).stored
    assert stored is not None
    assert not expired(stored.liveness, at(29.999999))
    assert expired(stored.liveness, at(30))
    assert expired(None, at(0))


def test_a_waiting_job_closes_at_its_deadline_or_when_it_goes_stale() -> None:
    bounds = Timing(stale_after=minutes(2), deadline=minutes(5))
    job = given(submit("a", timing=bounds)).job
    assert closes_at(job) == at(120)
    assert not too_late(job, at(119))
    assert too_late(job, at(120))
    assert closes_at(given(submit("a", timing=bounds, run_at=at(200))).job) == at(300)
    assert closes_at(given(submit("a")).job) is None
    assert closes_at(given(submit("a", timing=bounds), claim()).job) is None
