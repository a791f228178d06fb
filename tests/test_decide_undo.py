"""Undoing: in order, each to its end, resumable, and truthful about what is owed (S12, S13)."""

from __future__ import annotations

from parcae.commands import Claim
from parcae.errors import LeaseLost, Reason
from parcae.events import (
    CancelRequested,
    Compensated,
    CompensationLost,
    CompensationReleased,
    LateResultRecorded,
    Quarantined,
    UndoCompleted,
    UndoRetryScheduled,
    UndoStarted,
)
from parcae.spec import Timing
from parcae.state import Compensating, UndoStatus
from parcae.values import Cause, Status, seconds
from parcae_specs.scenarios.undoing import TO_UNDO
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
    reconcile,
    release,
    renew,
    start,
    submit,
    undo,
    undo_failed,
    undone,
)


def undoing(*steps: Claim) -> Story:
    """A job with the undo of b, then of a, before it, claimed under token 2."""
    return given(*TO_UNDO, *(steps or (claim("bob"),)))


def undos(story: Story) -> list[tuple[str, UndoStatus]]:
    """The undos and where they stand."""
    return [(one.phase, one.status) for one in story.job.undos]


def test_s12_undos_run_in_reverse_order_one_at_a_time_each_once() -> None:
    story = undoing()
    story.when(undo("a")).refused(Reason.OUT_OF_ORDER)
    story.when(undone("b")).refused(Reason.NOT_STARTED)
    story.when(undo("b")).then(UndoStarted)
    story.when(undo("b")).then()
    story.when(undo("a")).refused(Reason.OUT_OF_ORDER)
    story.when(undone("b")).then(UndoCompleted)
    story.when(undo("b")).refused(Reason.OUT_OF_ORDER)
    story.when(undo("a"), undone("a")).then(UndoCompleted, Compensated)
    assert story.job.status is Status.COMPENSATED


def test_forward_commands_are_not_for_a_job_that_undoes() -> None:
    for command in (start("c", 2), done("c", 2), fail(2), confirm(2)):
        undoing().when(command).refused(Reason.UNLAWFUL)
    given(submit("a"), claim()).when(undo("a", 1)).refused(Reason.UNLAWFUL)


def test_s24_no_undo_starts_under_an_expired_lease_or_past_its_timeout() -> None:
    undoing().when(at(30), undo("b")).refused(Reason.EXPIRED, LeaseLost)
    hasty = submit("a~", timing=Timing(undo=seconds(10)))
    story = given(hasty, claim(), start("a"), cancel(), done("a"))
    assert story.job.status is Status.COMPLETED
    story = given(
        submit("a~", "b", timing=Timing(undo=seconds(10))), claim(), start("a"), done("a"), cancel()
    )
    story.when(confirm(), claim("bob"), at(10), undo("a")).refused(Reason.TIMED_OUT)


def test_the_timeout_of_an_undo_counts_from_its_own_start() -> None:
    quick = Timing(undo=seconds(10))
    story = given(submit("a~", "b~", "c", timing=quick), claim(), start("a"), done("a"))
    story.when(start("b"), done("b"), cancel(), confirm(), claim("bob"))
    story.when(at(9), undo("b"), at(18), renew(2), undone("b"), undo("a"), at(27), reconcile())
    story.then()
    story.when(at(28), reconcile()).then(
        like(CompensationLost, cause=Cause.ATTEMPT_TIMEOUT, fence=at(48), ready_at=at(48))
    )


def test_an_undo_that_raised_is_tried_again_then_owed_to_a_person() -> None:
    story = undoing().when(undo("b"), undo_failed("b"))
    story.then(like(UndoRetryScheduled, phase="b", ready_at=at(1)))
    story.when(claim("bob", "s")).refused(Reason.NOT_DUE)
    story.when(at(1), claim("bob", "s"), undo("b", 3), undo_failed("b", 3))
    story.then(like(Quarantined, cause=Cause.COMPENSATION_FAILED, trigger=Cause.HANDLER_ERROR))
    assert undos(story) == [("b", UndoStatus.FAILED), ("a", UndoStatus.OWED)]


def test_an_undo_not_worth_another_try_is_owed_at_once() -> None:
    undoing().when(undo("b"), undo_failed("b", permanent=True)).then(Quarantined)


def test_s25_undo_results_repeated_get_their_first_answer_for_ever() -> None:
    story = undoing().when(undo("b"), undone("b"))
    for step in (undo("a"), undo_failed("a"), at(1), claim("bob", "s"), undo("a", 3)):
        story.when(step, undone("b")).then()
    story.when(undo_failed("a", 2)).then()
    story.when(undone("a", 3)).then(UndoCompleted, Compensated)
    for repeat, status in ((undone("b"), Status.COMPENSATING), (undone("a", 3), story.job.status)):
        story.when(repeat).then()
        assert story.last.decision is not None
        assert story.last.decision.status is status


def test_a_result_after_the_expiry_counts_and_gives_the_lease_back() -> None:
    story = undoing().when(undo("b"), at(31), undone("b"))
    story.then(UndoCompleted, like(CompensationReleased, voluntary=False, burned=False))
    story.when(at(40), undone("b")).then()
    story.when(claim("cyd"), undo("a", 3), undone("a", 3)).then(UndoCompleted, Compensated)


def test_s4_a_fenced_off_undoer_leaves_evidence_only() -> None:
    story = undoing().when(undo("b"), at(30), reconcile())
    story.then(like(CompensationLost, cause=Cause.LEASE_LOST))
    assert story.job.undos[0].interrupted
    story.when(undone("b")).then(LateResultRecorded)
    assert undos(story) == [("b", UndoStatus.PENDING), ("a", UndoStatus.PENDING)]


def test_releases_of_an_undo_are_bounded_too() -> None:
    story = undoing().when(release(2))
    story.then(like(CompensationReleased, voluntary=True, burned=False))
    story.when(claim("bob"), release(3)).then(like(CompensationReleased, burned=True))
    story.when(claim("bob"), release(4)).then(like(Quarantined, cause=Cause.COMPENSATION_FAILED))


def test_a_cancel_is_noted_once_and_hurries_nothing_but_by_force() -> None:
    story = undoing().when(undo("b"), undo_failed("b"))
    story.when(cancel("ops")).then(CancelRequested)
    story.when(cancel("ops")).then()
    story.when(claim("bob", "s")).refused(Reason.NOT_DUE)
    story.when(cancel("ops", force=True)).then(CancelRequested)
    story.when(cancel("ops", force=True)).then()
    story.when(claim("bob", "s"), undo("b", 3)).then(UndoStarted)


def test_s29_what_makes_an_undo_wait_after_one_force_yields_to_the_next() -> None:
    timing = Timing(undo=seconds(10))
    story = given(submit("a~", "b", timing=timing), claim(), start("a"), done("a"))
    story.when(cancel(force=True), claim("bob"), undo("a"), at(10), reconcile())
    story.then(like(CompensationLost, fence=at(30), ready_at=at(30)))
    story.when(claim("cyd")).refused(Reason.NOT_DUE)
    story.when(cancel(force=True)).then(CancelRequested)
    story.when(cancel(force=True)).then()
    story.when(claim("cyd"), undo("a", 3), undone("a", 3)).then(UndoCompleted, Compensated)


def test_s29_a_forced_undo_beside_a_living_one_says_so() -> None:
    timing = Timing(undo=seconds(10))
    story = given(submit("a~", "b", timing=timing), claim(), start("a"), done("a"), cancel())
    story.when(confirm(), claim("bob"), undo("a"), at(10), reconcile())
    story.then(like(CompensationLost, fence=at(30), ready_at=at(30)))
    story.when(cancel(force=True))
    state = story.job.state
    assert isinstance(state, Compensating)
    assert (state.overlap, state.ready_at) == (True, at(10))
    story.when(claim("cyd"), undo("a", 3), undone("a", 3))
    assert getattr(story.job.state, "overlap", None) is True
