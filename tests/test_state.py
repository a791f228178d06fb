"""One job as its events leave it: what can be read off it."""

from __future__ import annotations

import pytest

from parcae.errors import Corrupt
from parcae.spec import Timing
from parcae.state import Compensating, UndoStatus
from parcae.values import Cause, Status, Token, minutes
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    at,
    claim,
    done,
    error,
    fail,
    given,
    reconcile,
    release,
    spec,
    start,
    submit,
    undo,
    undo_failed,
    undone,
)


def test_the_last_error_that_a_handler_raised_is_kept_whatever_follows() -> None:
    story = given(submit("a"), claim(), start("a"), fail(kind="KeyError"))
    assert story.job.error == error("KeyError")
    story.when(at(1), claim(), at(31), reconcile())
    assert story.job.error == error("KeyError")
    story.when(at(33), claim(), start("a", 3), done("a", 3))
    assert (story.job.status, story.job.error) == (Status.COMPLETED, error("KeyError"))


def test_an_undo_that_raised_is_the_last_error_too() -> None:
    story = given(*TO_UNDO, claim(), undo("b"))
    first = story.job.error
    story.when(undo_failed("b", permanent=True))
    assert story.job.error == error(permanent=True) != first
    retried = given(*TO_UNDO, claim(), undo("b"), undo_failed("b"))
    assert retried.job.error == error()
    lost = retried.when(at(1), claim("x", "s"), at(31), reconcile())
    assert (lost.job.status, lost.job.error) == (Status.QUARANTINED, error())


def test_attempts_starts_losses_and_releases_are_counted_apart() -> None:
    story = given(submit("a"), claim(), release(), claim(), fail(2), at(1), claim(), at(31))
    story.when(reconcile())
    job = story.job
    assert (job.starts, job.attempts, job.losses, job.releases) == (3, 2, 1, 1)
    assert (job.attempt, job.token) == (3, 3)


def test_the_earlier_of_two_deadlines_counts() -> None:
    limit = Timing(deadline=minutes(1))
    for given_, expected in ((None, at(60)), (at(30), at(30)), (at(90), at(60))):
        job = given(submit("a", timing=limit, deadline=given_)).job
        assert job.deadline == expected
    assert given(submit("a", deadline=at(5))).job.deadline == at(5)
    assert given(submit("a")).job.deadline is None


def test_phases_are_found_by_name_and_by_what_is_next() -> None:
    job = given(submit("a", "b"), claim(), start("a"), done("a"), start("b")).job
    assert (job.index("b"), job.running_phase, job.next_phase) == (1, 1, 1)
    assert job.phase_spec("b") == spec("b").phases[0]
    assert (job.index("z"), job.phase_spec("z")) == (None, None)


def test_a_job_that_undoes_knows_which_is_next_and_why() -> None:
    story = given(*TO_UNDO, claim(), undo("b"), undone("b"))
    state = story.job.state
    assert isinstance(state, Compensating)
    assert (state.next.phase, state.cause) == ("a", Cause.HANDLER_ERROR)
    assert [one.status for one in story.job.undos] == [UndoStatus.DONE, UndoStatus.PENDING]
    empty = Compensating(cause=Cause.HANDLER_ERROR, undos=(), ready_at=at(0))
    with pytest.raises(Corrupt):
        _ = empty.next


def test_what_was_taken_under_each_token_is_remembered() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a"), release(), claim())
    first = story.job.receipt(Token(1))
    assert first is not None
    assert (first.report.kind, first.status) == ("released", Status.SCHEDULED)
    assert story.job.receipt(Token(2)) is None
