"""Phases: started in order, completed once, reported late or twice (S9, S11, S24, S25)."""

from __future__ import annotations

from attrs import evolve as replace

from parcae.commands import CompletePhase
from parcae.errors import LeaseLost, Reason
from parcae.events import (
    Cancelled,
    Completed,
    LateResultRecorded,
    PhaseCompleted,
    PhaseStarted,
    Released,
    RetryScheduled,
)
from parcae.spec import Timing
from parcae.state import PhaseStatus
from parcae.values import MAX_BLOB, Blob, Status, Token, seconds
from parcae_specs.story import (
    Story,
    at,
    cancel,
    claim,
    confirm,
    done,
    fail,
    given,
    like,
    note,
    reconcile,
    release,
    renew,
    start,
    submit,
)


def first_answer(story: Story) -> Status | None:
    """What the last command was answered."""
    assert story.last.decision is not None
    return story.last.decision.status


def test_phases_run_in_order_one_at_a_time() -> None:
    story = given(submit("a", "b"), claim())
    story.when(start("b")).refused(Reason.OUT_OF_ORDER)
    story.when(start("a")).then(like(PhaseStarted, token=1, phase="a"))
    story.when(start("b")).refused(Reason.PHASE_RUNNING)
    story.when(start("zzz")).refused(Reason.BAD_INPUT)
    story.when(done("b")).refused(Reason.NOT_STARTED)
    story.when(done("zzz")).refused(Reason.BAD_INPUT)
    story.when(done("a")).then(like(PhaseCompleted, phase="a"))
    story.when(start("a")).refused(Reason.OUT_OF_ORDER)


def test_the_last_phase_completes_the_job_in_the_same_decision() -> None:
    story = given(submit("a"), claim(), start("a"))
    story.when(done("a", result=b"1")).then(
        like(PhaseCompleted, answers=None), like(Completed, overtook=False)
    )
    assert first_answer(story) is Status.COMPLETED


def test_s11_a_completed_phase_is_not_run_again_in_the_next_attempt() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a"), start("b"), fail())
    story.when(at(1), claim(), start("a", 2)).refused(Reason.OUT_OF_ORDER)
    story.when(start("b", 2)).then(PhaseStarted)


def test_s24_no_phase_starts_under_an_expired_lease() -> None:
    given(submit("a"), claim()).when(at(30), start("a")).refused(Reason.EXPIRED, LeaseLost)


def test_no_phase_starts_past_the_attempts_timeout_or_the_deadline() -> None:
    hasty = Timing(attempt=seconds(10))
    given(submit("a", timing=hasty), claim()).when(at(10), start("a")).refused(Reason.TIMED_OUT)
    given(submit("a", deadline=at(9)), claim()).when(at(9), start("a")).refused(
        Reason.PAST_DEADLINE
    )


def test_s9_no_phase_starts_after_a_cancel_was_requested() -> None:
    story = given(submit("a"), claim(), cancel())
    story.when(start("a")).refused(Reason.CANCEL_REQUESTED)


def test_s25_a_repeated_start_is_permitted_only_while_a_start_is() -> None:
    story = given(submit("a", timing=Timing(attempt=seconds(40))), claim(), start("a"))
    story.when(start("a")).then()
    story.when(at(30), start("a")).refused(Reason.EXPIRED, LeaseLost)
    story.when(at(25), renew(), at(40), start("a")).refused(Reason.TIMED_OUT)
    story.when(at(25), cancel(), start("a")).refused(Reason.CANCEL_REQUESTED)


def test_s25_a_result_repeated_gets_its_first_answer_for_ever() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a", result=b"1"))
    for step in (start("b"), fail(), at(1), claim(), start("b", 2), done("b", 2), note()):
        story.when(step)
        length = len(story.history)
        story.when(done("a", result=b"1")).then()
        assert first_answer(story) is Status.RUNNING
        assert len(story.history) == length
    story.when(fail()).then()
    assert first_answer(story) is Status.SCHEDULED


def test_s25_the_same_phase_with_another_result_is_refused() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a", result=b"1"))
    story.when(done("a", result=b"2")).refused(Reason.ANOTHER_RESULT)
    story.when(done("a")).refused(Reason.ANOTHER_RESULT)
    story.when(start("b"), done("b"), done("a", result=b"2")).refused(Reason.ANOTHER_RESULT)


def test_a_result_is_taken_after_the_expiry_and_the_lease_given_back_for_nothing() -> None:
    story = given(submit("a", "b"), claim(), start("a"))
    story.when(at(31), done("a", result=b"1"))
    story.then(like(PhaseCompleted, answers=None), like(Released, voluntary=False, burned=False))
    assert (story.job.attempts, story.job.releases, story.job.lease) == (0, 0, None)
    story.when(at(99), done("a", result=b"1")).then()
    assert first_answer(story) is Status.SCHEDULED
    given(submit("a"), claim(), start("a")).when(at(31), done("a")).then(PhaseCompleted, Completed)


def test_a_result_after_expiry_and_cancel_request_ends_the_job() -> None:
    story = given(submit("a", "b"), claim(), start("a"), at(20), cancel())
    story.when(at(31), done("a")).then(PhaseCompleted, Cancelled)
    assert first_answer(story) is Status.CANCELLED


def test_s4_the_result_of_a_fenced_off_worker_is_evidence_once_a_token() -> None:
    story = given(submit("a"), claim(), start("a"), at(30), reconcile(), at(31), claim("bob"))
    before = story.job
    story.when(done("a", 1, result=b"late"))
    story.then(like(LateResultRecorded, token=1, phase="a"))
    late = story.last.events[0]
    assert isinstance(late, LateResultRecorded)
    assert late.result is not None
    assert late.result.name == "late/1"
    assert replace(story.job, version=before.version, late=before.late) == before
    story.when(done("a", 1, result=b"late")).refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(fail(1)).refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(start("a", 1)).refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(done("a", 7)).refused(Reason.UNKNOWN_TOKEN)


def sized(size: int) -> CompletePhase:
    """The result of phase a, of so many bytes."""
    ref = Blob("result/a", size, "00" * 32)
    return CompletePhase(token=Token(1), phase="a", result=ref)


def test_a_result_that_is_too_large_is_refused_and_as_evidence_left_out() -> None:
    huge, fits = sized(MAX_BLOB + 1), sized(MAX_BLOB)
    held = (submit("a"), claim(), start("a"))
    given(*held).when(huge).refused(Reason.TOO_LARGE)
    given(*held).when(fits).then(PhaseCompleted, Completed)
    given(*held, release()).when(huge).then(like(LateResultRecorded, result=None))
    late = Blob("late/1", MAX_BLOB, "00" * 32)
    given(*held, release()).when(fits).then(like(LateResultRecorded, result=late))


def test_a_phase_that_raised_has_not_happened_one_that_was_cut_off_may_have() -> None:
    story = given(submit("a~"), claim(), start("a"))
    attempts = (
        (fail(),),
        (at(1), claim(), start("a", 2), release(2)),
        (claim(), start("a", 3), fail(3)),
        (at(3), claim(), start("a", 4), done("a", 4)),
    )
    maybe = [story.when(*steps).job.phases[0].maybe for steps in attempts]
    assert maybe == [False, True, True, False]
    assert story.job.phases[0].status is PhaseStatus.COMPLETED


def test_a_failure_may_be_reported_between_phases() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a"))
    story.when(fail()).then(like(RetryScheduled, interrupted=None))


def test_a_cancel_is_confirmed_only_where_one_was_requested() -> None:
    story = given(submit("a"), claim(), start("a"))
    story.when(confirm()).refused(Reason.NO_CANCEL_REQUESTED)
    story.when(cancel("ops"), confirm()).then(like(Cancelled, interrupted="a"))


def test_the_last_result_wins_over_an_earlier_request_and_says_so() -> None:
    story = given(submit("a"), claim(), start("a"), cancel())
    story.when(done("a")).then(PhaseCompleted, like(Completed, overtook=True))
