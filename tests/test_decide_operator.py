"""What hosts and operators ask for: admission, dependencies, cancels, notes, deletion."""

from __future__ import annotations

import pytest

from parcae.commands import Submit
from parcae.errors import Reason
from parcae.events import (
    Annotated,
    Cancelled,
    CancelRequested,
    CompensationBegan,
    Deleted,
    DependencySettled,
    Failed,
    Quarantined,
    Scheduled,
    Submitted,
)
from parcae.spec import Carried, DependencyPolicy, RetryMode, Timing
from parcae.state import Running
from parcae.values import MAX_NOTE, Cause, JobId, Status, minutes, seconds
from parcae_specs.scenarios.common import PARENTS, depends, origin
from parcae_specs.story import (
    Story,
    at,
    cancel,
    claim,
    delete,
    done,
    fail,
    given,
    like,
    note,
    reconcile,
    settle,
    start,
    submit,
)


def test_a_job_without_dependencies_gets_its_place_at_once() -> None:
    given().when(submit("a")).then(Submitted, like(Scheduled, run_at=at(0), place=1))
    given().when(submit("a", run_at=at(60))).then(Submitted, like(Scheduled, run_at=at(60)))
    given(at(90)).when(submit("a", run_at=at(60))).then(Submitted, like(Scheduled, run_at=at(90)))


def test_a_job_is_admitted_once() -> None:
    given(submit("a")).when(submit("b")).refused(Reason.DUPLICATE_ID)


def test_a_job_that_could_not_start_before_its_deadline_is_refused() -> None:
    given().when(submit("a", deadline=at(0))).refused(Reason.BAD_INPUT)
    given().when(submit("a", deadline=at(5), run_at=at(5))).refused(Reason.BAD_INPUT)
    limit = Timing(deadline=seconds(5))
    given().when(submit("a", timing=limit, run_at=at(5))).refused(Reason.BAD_INPUT)
    given().when(submit("a", timing=limit, run_at=at(4))).then(Submitted, Scheduled)


UNDO = origin(RetryMode.UNDO)
A, B = Carried(phase="a"), Carried(phase="b")


@pytest.mark.parametrize(
    "command",
    [
        submit("a", "b", carried=(Carried(phase="z"),)),
        submit("a", "b", carried=(A, A)),
        submit("a", "b", carried=(A, B)),
        submit("a", "b", carried=(A,), dependencies=PARENTS),
        submit("a", "b", not_before=at(5), dependencies=PARENTS),
        submit("a~", "b", origin=UNDO),
        submit("a~", "b", carried=(B,), origin=UNDO),
    ],
    ids=["unknown", "twice", "all", "waits", "fence", "nothing", "no undo"],
)
def test_what_cannot_be_taken_over_is_refused_not_corrupt(command: Submit) -> None:
    given().when(command).refused(Reason.BAD_INPUT)


def test_what_is_carried_over_is_not_run_again_but_undone() -> None:
    story = given(submit("a~", "b", carried=(A,)), claim())
    story.when(start("a")).refused(Reason.OUT_OF_ORDER)
    story.when(start("b"), fail(permanent=True)).then(like(CompensationBegan))
    assert [undo.phase for undo in story.job.undos] == ["a"]


def test_a_job_that_only_undoes_is_admitted_to_its_undoing() -> None:
    story = given().when(submit("a~", "b", carried=(A,), origin=UNDO, not_before=at(9)))
    story.then(
        Submitted,
        Scheduled,
        like(CompensationBegan, cause=Cause.UNDO_REQUESTED, ready_at=at(9)),
    )
    unsure = submit("a~", carried=(Carried(phase="a", completed=False),), origin=UNDO)
    given().when(unsure).then(Submitted, Scheduled, like(Quarantined, cause=Cause.OUTCOME_UNKNOWN))


def test_s8_a_pending_job_is_scheduled_with_the_last_of_its_dependencies() -> None:
    story = given(submit("a", dependencies=PARENTS))
    story.when(claim()).refused(Reason.UNLAWFUL)
    story.when(settle("p")).then(like(DependencySettled, parent="p", met=True))
    story.when(settle("p")).then()
    story.when(at(7), settle("q")).then(DependencySettled, like(Scheduled, run_at=at(7)))
    story.when(settle("q")).refused(Reason.UNLAWFUL)


def test_a_dependency_that_is_none_or_has_not_ended_is_refused() -> None:
    story = given(submit("a", dependencies=PARENTS))
    story.when(settle("stranger")).refused(Reason.UNKNOWN_DEPENDENCY)
    story.when(settle("p", Status.RUNNING)).refused(Reason.BAD_INPUT)


@pytest.mark.parametrize(
    ("policy", "outcome", "status"),
    [
        (DependencyPolicy.CANCEL, Status.FAILED, Status.CANCELLED),
        (DependencyPolicy.FAIL, Status.CANCELLED, Status.FAILED),
        (DependencyPolicy.PROCEED, Status.QUARANTINED, Status.SCHEDULED),
        (DependencyPolicy.FAIL, Status.COMPENSATED, Status.FAILED),
        (DependencyPolicy.FAIL, Status.COMPLETED, Status.SCHEDULED),
    ],
)
def test_a_dependency_that_ended_badly_is_met_by_the_dependents_policy(
    policy: DependencyPolicy, outcome: Status, status: Status
) -> None:
    story = given(submit("a", dependencies=depends(policy))).when(settle("p", outcome))
    assert story.job.status is status
    if status in (Status.CANCELLED, Status.FAILED):
        assert getattr(story.job.state, "cause", None) is Cause.DEPENDENCY_FAILED


def test_s30_a_deadline_that_passed_first_wins_over_a_dependency() -> None:
    story = given(submit("a", dependencies=depends(DependencyPolicy.CANCEL), deadline=at(60)))
    story.when(at(61), settle("p", Status.FAILED)).then(like(Failed, cause=Cause.DEADLINE))


def test_a_cancel_ends_what_nobody_holds_and_asks_who_holds_it() -> None:
    given(submit("a", dependencies=PARENTS)).when(cancel("ops", "no")).then(Cancelled)
    given(submit("a")).when(cancel("ops", "no")).then(
        like(Cancelled, cause=Cause.CANCELLED, reconciled=False)
    )
    story = given(submit("a"), claim(), start("a")).when(at(1), cancel("ops", "no"))
    story.then(CancelRequested)
    assert isinstance(story.job.state, Running)
    story.when(cancel("eve")).then()


def test_s29_a_forced_cancel_fences_the_handler_off_and_says_until_when_it_may_live() -> None:
    story = given(submit("a"), claim(), start("a"), cancel())
    story.when(at(5), cancel("ops", force=True))
    story.then(like(Cancelled, cause=Cause.FORCED_CANCEL, fence=at(30), interrupted="a"))
    assert story.job.fence == at(30)


def test_a_forced_cancel_hurries_what_waits_for_a_fence() -> None:
    timing = Timing(attempt=seconds(10))
    story = given(submit("a?", "b", timing=timing), claim(), start("a"), at(10), reconcile())
    assert story.job.fence == at(30)
    story.when(at(11), cancel(force=True))
    story.then(like(CompensationBegan, ready_at=at(11), overlap=True, fence=at(30)))
    patient = given(submit("a?", "b", timing=timing), claim(), start("a"), at(10), reconcile())
    patient.when(at(11), cancel()).then(like(CompensationBegan, ready_at=at(30), overlap=False))


def test_a_note_changes_nothing_but_the_record_and_is_bounded() -> None:
    story = given(submit("a"), claim())
    state = story.job.state
    story.when(note("x" * (MAX_NOTE + 1), by="ops"))
    written = story.last.events[0]
    assert isinstance(written, Annotated)
    assert len(written.note) == MAX_NOTE
    assert written.note.endswith("(cut)")
    assert story.job.state == state


def test_s22_only_an_ended_job_past_its_retention_is_deleted() -> None:
    kept = delete(retention=minutes(1))
    given(submit("a")).when(delete()).refused(Reason.UNLAWFUL)
    story: Story = given(submit("a"), claim(), start("a"), at(5), done("a"))
    story.when(at(64), kept).refused(Reason.RETAINED)
    story.when(at(65), kept).then(Deleted)
    for command in (claim(), cancel(), reconcile(), note(), delete(), settle("p"), fail(1)):
        story.when(command).refused(Reason.NOT_FOUND)


def test_a_job_that_was_never_there_is_not_found() -> None:
    for command in (claim(), cancel(), reconcile(), settle(JobId("p")), done("a")):
        given().when(command).refused(Reason.NOT_FOUND)
