"""How forward work goes on or ends: retries, losses, deadlines, releases (S13, S19, S29, S30)."""

from __future__ import annotations

import pytest
from attrs import evolve as replace

from parcae.commands import Result
from parcae.events import (
    Cancelled,
    CompensationBegan,
    Failed,
    Quarantined,
    Released,
    RetryScheduled,
    Started,
)
from parcae.spec import Lost, OnLost, Retry, Timing
from parcae.state import Ended
from parcae.values import Cause, Status, minutes, seconds
from parcae_specs.story import (
    PATIENT,
    at,
    cancel,
    claim,
    confirm,
    done,
    fail,
    given,
    like,
    reconcile,
    release,
    renew,
    start,
    submit,
)

HASTY = Timing(attempt=seconds(10))
ONCE = replace(PATIENT, max_attempts=1)
BREAKS_IN_B = (claim(), start("a"), done("a"), start("b"))


def test_a_failed_attempt_is_made_again_after_its_wait_from_a_new_place() -> None:
    story = given(submit("a"), claim(), start("a"))
    story.when(at(5), fail())
    story.then(like(RetryScheduled, run_at=at(6), cause=Cause.HANDLER_ERROR, place=5))
    story.when(at(6), claim(), fail(2)).then(like(RetryScheduled, run_at=at(8)))
    story.when(at(8), claim(), fail(3)).then(
        like(Failed, cause=Cause.ATTEMPTS_EXHAUSTED, burned_by=Cause.HANDLER_ERROR)
    )
    assert story.job.attempts == story.job.starts == 3


def test_s19_a_job_of_one_attempt_never_starts_twice() -> None:
    for steps in ((fail(),), (at(30), reconcile())):
        story = given(submit("a", retry=ONCE), claim(), start("a")).when(*steps)
        assert story.job.status is Status.FAILED
        assert story.job.attempts == 1


def test_an_error_not_worth_another_attempt_ends_the_job_at_once() -> None:
    given(submit("a"), claim()).when(fail(permanent=True)).then(
        like(Failed, cause=Cause.HANDLER_ERROR)
    )
    picky = submit("a", retry=replace(PATIENT, give_up_on=("KeyError",)))
    given(picky, claim()).when(fail(kind="KeyError")).then(like(Failed, cause=Cause.HANDLER_ERROR))
    given(picky, claim()).when(fail(kind="ValueError")).then(RetryScheduled)


def test_an_attempt_that_would_start_at_the_deadline_is_not_made() -> None:
    story = given(submit("a", deadline=at(10)), at(9), claim())
    story.when(fail()).then(
        like(Failed, cause=Cause.DEADLINE, reconciled=False, burned_by=Cause.HANDLER_ERROR)
    )
    assert story.job.attempts == 1
    given(submit("a", deadline=at(10.1)), at(9), claim()).when(fail()).then(RetryScheduled)


def test_every_failure_timeout_and_loss_burns_an_attempt_whatever_ends_the_job() -> None:
    cancelled = given(submit("a"), claim(), cancel()).when(fail())
    cancelled.then(like(Cancelled, burned_by=Cause.HANDLER_ERROR))
    assert cancelled.job.attempts == 1
    lost = given(submit("a"), at(1), claim(), cancel()).when(at(31), reconcile())
    assert (lost.job.attempts, lost.job.losses) == (0, 0)
    slow = Timing(cancel_grace=minutes(5))
    lost = given(submit("a", timing=slow), claim(), cancel()).when(at(30), reconcile())
    lost.then(like(Cancelled, burned_by=Cause.LEASE_LOST, reconciled=True))
    assert (lost.job.attempts, lost.job.losses) == (1, 1)
    late = given(submit("a", deadline=at(30.5)), claim()).when(at(30), reconcile())
    late.then(like(Failed, cause=Cause.DEADLINE, burned_by=Cause.LEASE_LOST))
    assert (late.job.attempts, late.job.losses) == (1, 1)
    ended = given(submit("a", deadline=at(20)), claim()).when(at(20), reconcile())
    ended.then(like(Failed, cause=Cause.DEADLINE, burned_by=None))
    assert ended.job.attempts == 0


def test_a_lost_lease_follows_its_own_policy() -> None:
    def lost(*, action: Lost = Lost.RETRY, times: int = 2, retry: Retry = PATIENT) -> Ended | None:
        rule = OnLost(action=action, times=times)
        story = given(submit("a", on_lost=rule, retry=retry), claim(), at(30), reconcile())
        state = story.job.state
        return state if isinstance(state, Ended) else None

    assert lost() is None
    failed = lost(action=Lost.FAIL)
    assert failed is not None
    assert (failed.status, failed.cause, failed.reconciled) == (
        Status.FAILED,
        Cause.LEASE_LOST,
        True,
    )
    looked_at = lost(action=Lost.QUARANTINE)
    assert looked_at is not None
    assert (looked_at.status, looked_at.cause) == (Status.QUARANTINED, Cause.LEASE_LOST)
    poison = lost(times=0)
    assert poison is not None
    assert (poison.status, poison.cause) == (Status.QUARANTINED, Cause.POISON)
    last = lost(retry=ONCE)
    assert last is not None
    assert (last.status, last.cause) == (Status.FAILED, Cause.LEASE_LOST)


def test_poison_outranks_compensation_and_a_requested_cancel_outranks_poison() -> None:
    poison = OnLost(times=0)
    story = given(submit("a~", "b", on_lost=poison), *BREAKS_IN_B)
    story.when(at(30), reconcile())
    story.then(like(Quarantined, cause=Cause.POISON, trigger=None, interrupted="b"))
    assert [undo.phase for undo in story.job.undos] == ["a"]
    slow = Timing(cancel_grace=minutes(5))
    asked = given(submit("a~", "b", on_lost=poison, timing=slow), *BREAKS_IN_B, cancel())
    asked.when(at(30), reconcile())
    asked.then(like(CompensationBegan, cause=Cause.CANCELLED, burned_by=Cause.LEASE_LOST))


def test_s30_a_cancel_does_not_outrank_what_fell_due_before_it() -> None:
    story = given(submit("a", on_lost=OnLost(times=0)), claim())
    story.when(at(31), cancel("ops")).then(like(Quarantined, cause=Cause.POISON, reconciled=True))
    late = given(submit("a", deadline=at(60))).when(at(61), cancel("ops"))
    late.then(like(Failed, cause=Cause.DEADLINE, reconciled=True))
    lost = given(submit("a"), claim()).when(at(31), cancel("ops"))
    lost.then(RetryScheduled, like(Cancelled, cause=Cause.CANCELLED))


def test_s13_something_to_undo_is_undone_in_reverse_order() -> None:
    story = given(submit("a~", "b", "c~", "d", retry=ONCE), *BREAKS_IN_B, done("b"))
    story.when(start("c"), done("c"), start("d"), fail())
    began = story.last.events[0]
    assert isinstance(began, CompensationBegan)
    assert [undo.phase for undo in began.undos] == ["c", "a"]
    assert story.job.lease is None


@pytest.mark.parametrize(
    ("names", "status"),
    [(("a~", "b?"), Status.COMPENSATING), (("a~", "b~"), Status.QUARANTINED)],
)
def test_a_phase_that_may_have_happened_needs_an_undo_that_can_handle_that(
    names: tuple[str, ...], status: Status
) -> None:
    story = given(submit(*names, retry=ONCE), *BREAKS_IN_B).when(at(30), reconcile())
    assert story.job.status is status
    assert [(undo.phase, undo.unknown) for undo in story.job.undos] == [("b", True), ("a", False)]
    if status is Status.QUARANTINED:
        story.then(like(Quarantined, cause=Cause.OUTCOME_UNKNOWN, trigger=Cause.LEASE_LOST))


def test_s29_a_retry_waits_for_the_lease_that_was_fenced_off() -> None:
    story = given(submit("a", timing=HASTY), claim(), start("a"), at(9), renew())
    story.when(at(10), reconcile())
    story.then(like(RetryScheduled, cause=Cause.ATTEMPT_TIMEOUT, run_at=at(39), fence=at(39)))
    story.when(at(38), claim())
    assert story.last.refusal is not None
    story.when(at(39), claim()).then(Started)


def test_s29_so_does_an_undo_unless_somebody_forces_it_and_then_the_record_says_so() -> None:
    story = given(submit("a~", "b?"), *BREAKS_IN_B)
    for force in (False, True):
        asked = given(*(edge.command for edge in story.edges)).when(cancel(force=force))
        asked.when(at(30), reconcile())
        began = next(event for event in asked.history if isinstance(event, CompensationBegan))
        if force:
            assert (began.ready_at, began.fence, began.overlap) == (at(0), at(30), True)
        else:
            assert (began.ready_at, began.fence, began.overlap) == (at(30), None, False)


def test_s29_what_was_forced_does_not_free_a_later_job_from_waiting() -> None:
    forced = given(submit("a~", "b?"), *BREAKS_IN_B, at(5), cancel(force=True), claim())
    assert forced.job.fence == at(30)


def test_a_release_keeps_the_place_and_burns_nothing_up_to_its_bound() -> None:
    story = given(submit("a", retry=replace(PATIENT, max_releases=1)), claim(), start("a"))
    place = story.job.place
    story.when(at(3), release()).then(like(Released, voluntary=True, burned=False, interrupted="a"))
    assert (story.job.place, story.job.attempts, story.job.releases) == (place, 0, 1)
    story.when(claim(), release(2)).then(like(Released, burned=True, interrupted=None))
    assert (story.job.place, story.job.attempts, story.job.releases) == (place, 1, 2)
    story.when(claim(), release(3)).then(like(Released, burned=True))
    story.when(claim(), release(4)).then(
        like(Failed, cause=Cause.ATTEMPTS_EXHAUSTED, burned_by=Cause.ATTEMPTS_EXHAUSTED)
    )
    assert story.job.attempts == 3


def test_s9_a_release_after_a_cancel_request_ends_the_job() -> None:
    story = given(submit("a"), claim(), start("a"), cancel()).when(release())
    story.then(like(Cancelled, interrupted="a", burned_by=None))
    story.when(release()).then()


def test_s25_every_result_that_gives_the_lease_up_is_known_again() -> None:
    asked = (submit("a"), claim(), start("a"), cancel())
    confirmed: tuple[Result, ...] = (fail(), release(), confirm())
    for result in confirmed:
        given(*asked).when(result, at(99), result).then()
    unasked = (submit("a", retry=replace(ONCE, max_releases=0)), claim(), start("a"))
    for result in (fail(), release(), done("a")):
        given(*unasked).when(result, at(99), result).then()
