"""What a host's own queue reports: that it has given a job up, or when it tries it again."""

from __future__ import annotations

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae.assess import tell
from parcae.errors import LeaseLost, Reason
from parcae.events import (
    Cancelled,
    CompensationBegan,
    Failed,
    LateResultRecorded,
    Quarantined,
    RetryScheduled,
)
from parcae.spec import Retry, Timing
from parcae.values import MAX_DURATION, Cause, Status, Token, seconds
from parcae.why.past import past
from parcae_specs.scenarios.common import PARENTS
from parcae_specs.story import (
    START,
    Story,
    abandon,
    at,
    cancel,
    claim,
    done,
    error,
    fail,
    given,
    like,
    start,
    submit,
)

WORKS = (submit("a"), claim(), start("a"))
PATIENCE = Timing(stale_after=seconds(10))


def test_given_a_running_job_when_its_host_gives_it_up_then_it_has_failed_as_reported() -> None:
    story = given(*WORKS).when(at(5), abandon(1))
    story.then(
        like(Failed, cause=Cause.REPORTED, burned_by=Cause.REPORTED, interrupted="a", fence=at(30))
    )
    assert (story.job.status, story.job.attempts) == (Status.FAILED, 1)
    assert not story.job.state.reconciled  # type: ignore[union-attr]


def test_given_a_job_in_line_when_its_host_gives_it_up_then_it_ends_without_a_start() -> None:
    story = given(submit("a")).when(abandon())
    story.then(like(Failed, cause=Cause.REPORTED, burned_by=None))
    assert (story.job.starts, story.job.attempts) == (0, 0)


def test_given_a_job_that_waits_for_others_when_its_host_gives_it_up_then_it_ends() -> None:
    story = given(submit("a", dependencies=PARENTS)).when(abandon())
    story.then(like(Failed, cause=Cause.REPORTED))


def test_s25_given_a_report_that_was_taken_when_it_is_repeated_then_nothing_more_happens() -> None:
    """S25: whether it was held or in line."""
    for steps, token in ((WORKS, 1), ((submit("a"),), 0), ((*WORKS, fail()), 1)):
        story = given(*steps).when(abandon(token))
        assert story.last.events
        story.when(abandon(token), at(50), abandon(token)).then()
        assert story.last.decision is not None
        assert story.last.decision.status is Status.FAILED


@pytest.mark.parametrize(
    "meanwhile", [(fail(), at(1), claim("bob")), (done("a"),), (fail(permanent=True),)]
)
def test_s4_given_what_has_moved_on_when_a_stale_report_comes_then_it_is_evidence_only(
    meanwhile: tuple[c.Command, ...],
) -> None:
    """S4: it never overwrites what another start did, nor how the job has ended."""
    story = given(*WORKS).when(*meanwhile)
    before = story.job
    story.when(abandon(1)).then(like(LateResultRecorded, token=1, kind="given up by the host"))
    after = replace(story.job, version=before.version, late=before.late)
    assert after == before
    story.when(abandon(1)).refused(Reason.STALE_TOKEN, LeaseLost)


def test_s4_given_a_first_start_when_a_report_says_it_never_started_then_it_is_refused() -> None:
    """S4: the reporter had seen no start, and there has been one since."""
    given(*WORKS).when(abandon(0)).refused(Reason.STALE_TOKEN, LeaseLost)
    given(*WORKS).when(abandon(2)).refused(Reason.UNKNOWN_TOKEN)


def test_s3_given_a_job_that_was_given_up_when_its_worker_completes_then_it_is_too_late() -> None:
    """S3, S4: the worker is fenced off."""
    given(*WORKS).when(abandon(1), done("a")).then(LateResultRecorded)


def test_s13_given_something_to_undo_when_the_host_gives_up_then_it_is_undone_after_the_fence() -> (
    None
):
    """S13, S29: the handler could be alive until its lease runs out."""
    story = given(submit("a~", "b"), claim(), start("a"), done("a"), start("b"))
    story.when(at(5), abandon(1))
    story.then(like(CompensationBegan, cause=Cause.REPORTED, ready_at=at(30), interrupted="b"))
    assert story.when(abandon(1)).last.events == ()


def test_s13_given_a_phase_that_nobody_can_undo_when_the_host_gives_up_then_a_person_looks() -> (
    None
):
    """S13: nobody knows whether it happened."""
    story = given(submit("a~"), claim(), start("a")).when(abandon(1))
    story.then(like(Quarantined, cause=Cause.OUTCOME_UNKNOWN, trigger=Cause.REPORTED))
    assert story.when(abandon(1)).last.events == ()


def test_s9_given_a_requested_cancel_when_the_host_gives_up_then_it_is_cancelled() -> None:
    """S9: a requested cancel outranks what ends the attempt."""
    story = given(*WORKS, cancel()).when(abandon(1))
    story.then(like(Cancelled, cause=Cause.CANCELLED, burned_by=Cause.REPORTED))
    given(*WORKS, cancel()).when(fail(final=True)).then(like(Cancelled, cause=Cause.CANCELLED))


def test_s30_given_what_had_fallen_due_when_the_host_gives_up_in_line_then_that_wins() -> None:
    """S30, S25: whether or not anybody had looked, and whether it is said once or twice."""
    story = given(submit("a", timing=PATIENCE)).when(at(20), abandon())
    story.refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(at(20), c.Reconcile())
    story.then(like(Failed, cause=Cause.STALE_IN_QUEUE, reconciled=True))
    story.when(abandon()).refused(Reason.STALE_TOKEN, LeaseLost)


def test_s25_s30_given_a_deadline_passed_between_attempts_then_the_report_is_evidence_once() -> (
    None
):
    """S4: what had fallen due wins in the very commit, and a repeat adds nothing."""
    story = given(submit("a", deadline=at(50)), claim(), start("a"), fail())
    story.when(at(60), abandon(1))
    story.then(like(Failed, cause=Cause.DEADLINE, reconciled=True), LateResultRecorded)
    story.when(abandon(1)).refused(Reason.STALE_TOKEN, LeaseLost)


def test_given_a_last_failure_when_the_host_says_so_then_no_retry_of_ours_follows() -> None:
    story = given(*WORKS).when(fail(final=True))
    story.then(like(Failed, cause=Cause.REPORTED, burned_by=Cause.HANDLER_ERROR, interrupted=None))
    story.when(fail(final=True)).then()


def test_given_a_failure_when_the_host_says_when_it_tries_again_then_the_job_waits_until_then() -> (
    None
):
    again = c.Fail(token=Token(1), error=error(), retry_at=at(77))
    given(*WORKS).when(again).then(like(RetryScheduled, run_at=at(77)))
    never = Retry(max_attempts=1)
    story = given(submit("a", retry=never), claim(), start("a")).when(again)
    story.then(like(Failed, cause=Cause.HANDLER_ERROR))


@pytest.mark.parametrize("final", [True, False])
def test_given_a_retry_that_cannot_be_when_it_is_reported_then_it_is_refused(final: bool) -> None:
    """S18, S28: nothing changes, and the refusal says why."""
    far = at(5) if final else START + MAX_DURATION + seconds(1)
    wrong = c.Fail(token=Token(1), error=error(), retry_at=far, final=final)
    story: Story = given(*WORKS)
    story.when(wrong).refused(Reason.BAD_INPUT)
    assert story.job.status is Status.RUNNING


def test_what_a_host_reports_is_told_in_its_own_words() -> None:
    story = given(*WORKS).when(at(1), abandon(1))
    assert tell(story.last.events[0]).startswith("It failed: reported by the host (")
    assert "was given up by the host's own queue" in past(story.history)[-1]
    late = given(*WORKS).when(done("a"), abandon(1))
    assert "kept as evidence" in tell(late.last.events[0])
    assert "gave up its start with token 1" in past(late.history)[-1]
