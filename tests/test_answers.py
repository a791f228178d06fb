"""Everything that a rule gives back for one command: the change, whole, and its answer."""

from __future__ import annotations

from attrs import evolve as replace

from parcae import answers as a
from parcae import events as e
from parcae import handle as rules
from parcae.change import Change, View
from parcae.effects import Remind
from parcae.state import Stored
from parcae.values import Cause, Instant, JobId, Place, Status
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    START,
    Step,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    reconcile,
    renew,
    start,
    submit,
    undo,
)

KINDS = frozenset({"demo"})
HELD = (submit("a", "b"), claim(), start("a"))


def stored(*steps: Step, name: str = JOB) -> Stored:
    """A job as these steps leave it, under this name."""
    found = given(*steps).stored
    assert found is not None
    return replace(found, job=replace(found.job, id=JobId(name)))


def view(*jobs: Stored, now: Instant = START) -> View:
    """What a store shows."""
    return View(now=now, place=Place(50), seed=7, jobs={one.job.id: one for one in jobs})


def test_an_admitted_job_has_the_name_it_was_given_and_no_version_before() -> None:
    change = rules.handle(view(), JOB, submit("a"))
    assert change.job is not None
    assert (change.job.id, change.job_id, change.before) == (JOB, JOB, 0)
    assert change.answer == a.Admitted(job_id=JOB)


def test_what_a_claim_is_granted_is_the_job_as_it_is_from_then_on() -> None:
    change = rules.handle(view(stored(submit("a"))), JOB, claim())
    assert isinstance(change.answer, a.Granted)
    assert change.answer.job == change.job
    assert change.answer.job.status is Status.RUNNING


def test_a_renewal_moves_the_reminder_along() -> None:
    change = rules.handle(view(stored(*HELD), now=at(9)), JOB, renew())
    assert change.effects == (Remind(at=at(39)),)


def test_a_retry_stands_at_the_first_free_place_that_the_store_named() -> None:
    change = rules.handle(view(stored(*HELD)), JOB, fail())
    (event,) = change.events
    assert isinstance(event, e.RetryScheduled)
    assert event.place == Place(50)


def test_a_cancel_of_what_ended_changes_nothing_at_all() -> None:
    ended = stored(submit("a"), claim(), cancel(), at(30), reconcile())
    answer = a.CancelAnswer(
        job_id=JOB,
        outcome=a.CancelOutcome.ALREADY_ENDED,
        status=Status.CANCELLED,
        cause=Cause.CANCELLED,
    )
    change = rules.handle(view(ended), JOB, cancel())
    assert change == Change(
        job_id=JOB, before=ended.job.version, job=ended.job, answer=answer, idle=True
    )


def test_a_result_whose_bytes_did_not_come_along_keeps_none() -> None:
    assert rules.handle(view(stored(*HELD)), JOB, done("a", result=b"1")).blobs == ()
    assert rules.handle(view(stored(*HELD)), JOB, done("a"), b"1").blobs == ()


def test_a_lost_undo_is_told_with_the_cause_for_which_it_is_undone() -> None:
    held = stored(*TO_UNDO, claim("bob"), undo("b"))
    answer = rules.handle(view(held, now=at(30)), JOB, reconcile()).answer
    assert answer == a.Reconciled(
        job_id=JOB,
        before=Status.COMPENSATING,
        after=Status.COMPENSATING,
        cause=Cause.HANDLER_ERROR,
    )


def test_a_claimer_is_granted_jobs_of_its_queues_only() -> None:
    waiting = view(stored(submit("a")))
    for queues, number in ((None, 1), (frozenset({"default"}), 1), (frozenset({"other"}), 0)):
        found = rules.claim(waiting, claim(), kinds=KINDS, queues=queues, limit=9)
        assert len(found) == number


def test_s25_of_a_repeated_claim_what_is_lost_hides_nothing_that_is_not() -> None:
    lost = stored(submit("a"), claim(), cancel(), name="lost")
    kept = stored(submit("a"), claim(), name="kept")
    found = rules.claim(view(lost, kept), claim(), kinds=KINDS, queues=None, limit=9)
    assert [one.job_id for one in found] == ["kept"]
