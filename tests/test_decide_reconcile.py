"""Whatever falls due, in its order, once, whenever somebody looks (S20, S30)."""

from __future__ import annotations

import pytest

from parcae.events import Cancelled, CompensationLost, Failed, RetryScheduled
from parcae.spec import OnLost, Timing
from parcae.values import Cause, minutes, seconds
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import at, cancel, claim, given, like, note, reconcile, renew, start, submit


def test_s20_what_is_not_due_is_not_touched() -> None:
    given(submit("a", deadline=at(60)), claim()).when(at(29), reconcile()).then()
    given(submit("a")).when(at(10**6), reconcile()).then()


@pytest.mark.parametrize("name", SCENARIOS)
def test_s20_reconciled_twice_is_reconciled_once(name: str) -> None:
    story = play(name)
    if story.stored is not None:
        story.when(at(10_000), reconcile())
        story.when(reconcile()).then()
        story.when(note()).when(reconcile()).then()


def _running(**timing: object) -> Timing:
    return Timing(lease=minutes(1), renewal=seconds(10), **timing)  # type: ignore[arg-type]


def test_at_the_same_instant_the_deadline_goes_first() -> None:
    due = _running(attempt=minutes(1), cancel_grace=minutes(1))
    story = given(submit("a", timing=due, deadline=at(60)), claim(), cancel())
    story.when(at(60), reconcile()).then(like(Failed, cause=Cause.DEADLINE, fence=None))


def test_then_a_cancel_past_its_grace() -> None:
    due = _running(attempt=minutes(1), cancel_grace=minutes(1))
    story = given(submit("a", timing=due), claim(), cancel())
    story.when(at(60), reconcile()).then(
        like(Cancelled, cause=Cause.CANCELLED, reconciled=True, burned_by=None)
    )


def test_then_the_attempts_timeout() -> None:
    due = _running(attempt=minutes(1))
    story = given(submit("a", timing=due, on_lost=OnLost(times=0)), claim())
    story.when(at(60), reconcile()).then(
        like(RetryScheduled, cause=Cause.ATTEMPT_TIMEOUT, reconciled=True, fence=None)
    )


def test_then_the_lost_lease() -> None:
    story = given(submit("a", timing=_running()), claim(), start("a"))
    story.when(at(60), reconcile()).then(
        like(RetryScheduled, cause=Cause.LEASE_LOST, interrupted="a", run_at=at(61))
    )


def test_s30_one_late_look_finds_what_many_early_ones_found() -> None:
    patience = Timing(stale_after=minutes(1))
    early = given(submit("a", timing=patience), claim())
    early.when(at(30), reconcile()).then(RetryScheduled)
    early.when(at(91), reconcile()).then(like(Failed, cause=Cause.STALE_IN_QUEUE))
    late = given(submit("a", timing=patience), claim()).when(at(5_000), reconcile())
    late.then(RetryScheduled, like(Failed, cause=Cause.STALE_IN_QUEUE, reconciled=True))


def test_staleness_counts_from_becoming_due() -> None:
    patience = Timing(stale_after=minutes(1))
    story = given(submit("a", timing=patience, run_at=at(600)))
    story.when(at(659), reconcile()).then()
    story.when(at(660), reconcile()).then(like(Failed, cause=Cause.STALE_IN_QUEUE))


def test_a_renewal_puts_the_loss_off() -> None:
    story = given(submit("a"), claim(), at(20), renew()).when(at(49), reconcile()).then()
    story.when(at(50), reconcile()).then(RetryScheduled)


def test_an_undo_lease_that_is_lost_burns_a_try() -> None:
    story = given(*TO_UNDO, claim()).when(at(30), reconcile())
    story.then(like(CompensationLost, cause=Cause.LEASE_LOST, ready_at=at(31), fence=None))
    assert story.job.undos[0].tries == 1
