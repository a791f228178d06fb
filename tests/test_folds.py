"""What a decision leaves behind beside its status: fences, errors, marks, receipts."""

from __future__ import annotations

import pytest

from parcae import events as e
from parcae.commands import ReportKind
from parcae.compensation import carry
from parcae.errors import Corrupt
from parcae.evolve import evolve
from parcae.saga import resubmission
from parcae.spec import Carried, Owed, Retry, RetryMode, Timing
from parcae.state import Compensating, Ended
from parcae.values import Cause, JobId, Status, Token, WorkerId, seconds
from parcae_specs.scenarios.common import PARENTS, origin
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    Story,
    at,
    cancel,
    claim,
    done,
    error,
    fail,
    given,
    reconcile,
    release,
    result_of,
    start,
    submit,
    undo,
    undo_failed,
    undone,
)

UNDO = origin(RetryMode.UNDO)
RUNNING = given(submit("a", "b"), claim(), start("a"))
UNDOING = given(*TO_UNDO, claim("bob"))
WORKING = given(*TO_UNDO, claim("bob"), undo("b"))
T = Token


def compensating(story: Story) -> Compensating:
    """The state of a job that undoes."""
    state = story.job.state
    assert isinstance(state, Compensating)
    return state


# Fences


def test_s29_a_fence_that_comes_with_the_admission_is_kept_while_it_is_to_come() -> None:
    assert given(submit("a", not_before=at(5))).job.fence == at(5)
    assert given(at(5), submit("a", not_before=at(5))).job.fence is None
    takes = submit("a~", carried=(Carried(phase="a"),), origin=UNDO, not_before=at(5))
    story = given(takes)
    assert story.job.fence == at(5)
    assert compensating(story).ready_at == at(5)


def forced() -> Story:
    """An undo that was forced beside a handler which may live until 30."""
    return given(submit("a?", "b"), claim(), start("a"), at(10), cancel(force=True))


def test_s29_a_forced_undo_keeps_the_fence_until_it_is_over() -> None:
    assert forced().when(at(20), claim("bob")).job.fence == at(30)
    assert forced().when(at(30), claim("bob")).job.fence is None
    assert forced().when(at(31), claim("bob")).job.fence is None


def test_s29_a_failed_undo_does_not_forget_the_fence() -> None:
    story = forced().when(at(20), claim("bob"), undo("a"), undo_failed("a"))
    assert (story.job.fence, story.job.error) == (at(30), error())
    story.when(at(21), claim("cyd", "s"), undo("a", 3), undo_failed("a", 3))
    assert story.job.status is Status.QUARANTINED
    assert story.job.fence == at(30)


def test_s29_a_force_at_the_very_fence_overlaps_nothing() -> None:
    hasty = Timing(attempt=seconds(10), undo=seconds(10))
    story = given(submit("a?", timing=hasty, retry=Retry(max_attempts=1)), claim(), start("a"))
    story.when(at(10), reconcile())
    assert compensating(story).ready_at == at(30)
    early = story.when(at(29), cancel(force=True))
    assert compensating(early).overlap
    story = given(submit("a?", timing=hasty, retry=Retry(max_attempts=1)), claim(), start("a"))
    story.when(at(10), reconcile(), at(30), cancel(force=True))
    assert not compensating(story).overlap


# What an end says


def test_a_cancel_that_comes_true_with_a_late_result_undoes_at_once_and_answers() -> None:
    steps = (submit("a~", "b"), claim(), start("a"), cancel(), at(30), done("a", result=b"1"))
    story = given(*steps)
    assert (story.job.status, compensating(story).ready_at) == (Status.COMPENSATING, at(30))
    receipt = story.job.receipt(T(1))
    assert receipt is not None
    assert (receipt.report.kind, receipt.status) == (
        ReportKind.PHASE_COMPLETED,
        Status.COMPENSATING,
    )


def test_a_release_that_ends_the_job_lets_the_undo_begin_at_once() -> None:
    asked = given(submit("a~", "b"), claim(), start("a"), done("a"), cancel(), at(5), release())
    assert compensating(asked).ready_at == at(5)
    once = Retry(max_attempts=1, max_releases=0)
    spent = given(submit("a~", "b", retry=once), claim(), start("a"), done("a"), at(5), release())
    assert (compensating(spent).cause, compensating(spent).ready_at) == (
        Cause.ATTEMPTS_EXHAUSTED,
        at(5),
    )


def test_an_end_that_the_reconciler_found_is_told_so_to_the_end() -> None:
    story = given(submit("a?", retry=Retry(max_attempts=1)), claim(), start("a"))
    story.when(at(30), reconcile(), claim("bob"), undo("a"), undone("a"))
    state = story.job.state
    assert isinstance(state, Ended)
    assert (state.status, state.reconciled) == (Status.COMPENSATED, True)


# What is known of an undo


def test_an_undo_that_was_cut_off_is_marked_until_it_completes() -> None:
    story = given(*TO_UNDO, claim("bob"), undo("b"), at(30), reconcile())
    assert compensating(story).next.interrupted
    story.when(at(40), claim("cyd", "s"), undo("b", 3), undone("b", 3))
    assert [one.interrupted for one in compensating(story).undos] == [False, False]


def last_tried() -> Story:
    """An undo at its last try, which has begun."""
    story = given(*TO_UNDO, claim("bob"), undo("b"), undo_failed("b"))
    return story.when(at(10), claim("cyd", "s"), undo("b", 3))


def test_an_undo_that_is_given_up_says_whether_it_was_cut_off() -> None:
    undos = [one for one in last_tried().when(at(40), reconcile()).job.undos if one.phase == "b"]
    assert [(one.status, one.interrupted) for one in undos] == [("failed", True)]
    undos = [one for one in last_tried().when(undo_failed("b", 3)).job.undos if one.phase == "b"]
    assert [(one.status, one.interrupted) for one in undos] == [("failed", False)]
    earlier = given(*TO_UNDO, claim("bob"), undo("b"), at(30), reconcile())
    earlier.when(at(40), claim("cyd", "s"), undo("b", 3), undo_failed("b", 3))
    assert [(one.status, one.interrupted) for one in earlier.job.undos][:1] == [("failed", True)]


# What a retry takes along


def test_s11_a_phase_after_an_undone_one_is_taken_over_too() -> None:
    story = given(submit("a~", "b~", "c", "d", retry=Retry(max_attempts=1)), claim())
    for name in "abc":
        story.when(start(name), done(name))
    story.when(fail(), claim("bob"), undo("b"), undone("b"), undo("a"))
    story.when(undo_failed("a", permanent=True))
    assert story.job.status is Status.QUARANTINED
    assert [one.phase for one in carry(story.job)] == ["a", "c"]


def test_s12_a_retry_that_undoes_has_the_results_and_begins_anew() -> None:
    steps = (submit("a~", "b~", "c", run_at=at(1), deadline=at(60), retry=Retry(max_attempts=1)),)
    story = given(*steps, at(1), *TO_UNDO[1:], claim("bob"), undo("b"))
    story.when(undo_failed("b", permanent=True))
    assert story.job.status is Status.QUARANTINED
    command = resubmission(story.job, RetryMode.UNDO, job_id=JobId("new"), seed=1)
    assert command.carried == (
        Carried(phase="a", result=result_of("a", b"1")),
        Carried(phase="b"),
    )
    assert (command.spec.run_at, command.spec.deadline) == (None, None)


def test_a_retry_of_a_job_that_waited_for_others_waits_for_none() -> None:
    story = given(submit("a", dependencies=PARENTS), cancel())
    command = resubmission(story.job, RetryMode.FROM_START, job_id=JobId("new"), seed=1)
    assert command.spec.dependencies == ()


# Corrupt histories, to the letter

CORRUPT: tuple[tuple[Story, e.Event, str], ...] = (
    (RUNNING, e.PhaseStarted(at=at(0), token=T(1), phase="b"), "another phase is running"),
    (
        given(submit("a", "b"), claim()),
        e.PhaseStarted(at=at(0), token=T(1), phase="b"),
        "phase 'b' is not the next",
    ),
    (
        given(submit("a"), claim()),
        e.Released(at=at(0), voluntary=True, interrupted="a"),
        "phase 'a' was not running",
    ),
    (RUNNING, e.Completed(at=at(0)), "not all phases are completed"),
    (
        RUNNING,
        e.CompensationBegan(at=at(0), cause=Cause.POISON, undos=(), ready_at=at(0)),
        "nothing is to be undone",
    ),
    (
        RUNNING,
        e.Quarantined(at=at(0), cause=Cause.POISON, owed=(Owed(phase="a"),)),
        "Quarantined owes (Owed(phase='a', unknown=False),), but the phases say ()",
    ),
    (
        RUNNING,
        e.LateResultRecorded(at=at(0), token=T(0), kind=ReportKind.FAILED),
        "token 0 was never given",
    ),
    (
        given(submit("a"), claim(), release(), fail()),
        e.LateResultRecorded(at=at(0), token=T(1), kind=ReportKind.FAILED),
        "token 1 has a late result already",
    ),
    (
        UNDOING,
        e.CompensationClaimed(
            at=at(0), token=T(3), worker=WorkerId("w"), request="r", expires_at=at(1)
        ),
        "the job is held already",
    ),
    (UNDOING, e.Compensated(at=at(0)), "not everything is undone"),
    (
        WORKING,
        e.UndoStarted(at=at(0), token=T(2), phase="b"),
        "the undo of 'b' is running already",
    ),
    (
        WORKING,
        e.UndoRetryScheduled(at=at(0), phase="a", ready_at=at(0), error=error()),
        "the undo of 'a' is not in work",
    ),
    (given(*TO_UNDO), e.CompensationReleased(at=at(0), voluntary=True), "nobody holds the job"),
)


@pytest.mark.parametrize(("story", "event", "words"), CORRUPT)
def test_an_impossible_event_says_what_does_not_fit(
    story: Story, event: e.Event, words: str
) -> None:
    with pytest.raises(Corrupt) as corrupt:
        evolve(JOB, story.job, event)
    assert str(corrupt.value) == words
