"""What a change owes to others, and how a person takes up an ended job (rule 5, S12)."""

from __future__ import annotations

import pytest

from parcae.effects import Announce, Interrupt, Offer, Remind
from parcae.errors import Reason, Rejected
from parcae.events import Started
from parcae.saga import react, resubmission, resume
from parcae.spec import Carried, Lost, OnLost, RetryMode
from parcae.state import Job, Stored
from parcae.values import JobId, Status
from parcae_specs.scenarios import play
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    Story,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    note,
    reconcile,
    release,
    renew,
    result_of,
    start,
    submit,
    undo,
    undone,
)

NEW = JobId("new")


def owed(story: Story) -> list[type]:
    """What the state alone owes."""
    assert story.stored is not None
    return [type(effect) for effect in resume(story.stored)]


def reactions(story: Story) -> list[object]:
    """Whom the last command makes look sooner."""
    before = story.last.before.job if story.last.before else None
    return list(react(before, story.job, story.last.events))


def test_the_state_alone_says_who_may_claim_and_when_to_look_again() -> None:
    assert owed(given(submit("a"))) == [Offer]
    assert owed(given(submit("a", deadline=at(60)))) == [Offer, Remind]
    held = given(submit("a"), claim(), at(9), renew())
    assert held.stored is not None
    assert resume(held.stored) == (Remind(at=at(39)),)
    assert owed(given(*TO_UNDO)) == [Offer]
    assert resume(Stored(job=play("completes").job)) == ()


def test_a_holder_is_interrupted_by_others_but_not_by_itself() -> None:
    story = given(submit("a"), claim("ann"), start("a")).when(cancel())
    interrupt = Interrupt(job_id=JOB, worker=story.job.lease.worker, token=story.job.token)  # type: ignore[union-attr]
    assert reactions(story) == [interrupt]
    assert reactions(story.when(note())) == []
    assert reactions(story.when(at(30), reconcile())) == [
        interrupt,
        Announce(job_id=JOB, status=Status.CANCELLED),
    ]
    itself = given(submit("a"), claim(), start("a")).when(release())
    assert reactions(itself) == []


def test_an_end_is_announced_once() -> None:
    story = given(submit("a"), claim(), start("a")).when(done("a"))
    assert reactions(story) == [Announce(job_id=JOB, status=Status.COMPLETED)]
    assert reactions(story.when(note())) == []
    assert reactions(given().when(submit("a"))) == []


def again(origin: Job, mode: RetryMode, *settled: str) -> Story:
    """The job that takes ``origin`` up."""
    command = resubmission(origin, mode, job_id=NEW, seed=9, settled=settled)
    return Story(NEW).when(at(100), command)


QUARANTINED = play("retries an undo until it will not succeed").job


def test_from_the_start_nothing_is_carried_over_and_keys_begin_anew() -> None:
    story = again(play("fails too late for another attempt").job, RetryMode.FROM_START)
    spec = story.job.spec
    assert spec.origin is not None
    assert (spec.origin.job_id, spec.origin.root, spec.seed) == (JOB, NEW, 9)
    assert (spec.deadline, spec.run_at, spec.dependencies) == (None, None, ())
    assert story.job.status is Status.SCHEDULED


def test_s11_resumed_it_goes_on_where_it_got() -> None:
    origin = given(submit("a~", "b", "c"), claim(), start("a"), done("a", result=b"1"))
    origin.when(start("b"), at(30), reconcile(), cancel())
    assert origin.job.status is Status.COMPENSATING
    failed = given(submit("a", "b"), claim(), start("a"), done("a", result=b"1"))
    failed.when(start("b"), fail(permanent=True))
    story = again(failed.job, RetryMode.RESUME)
    assert story.job.next_phase == 1
    assert story.job.phases[0].result == result_of("a", b"1")
    spec = story.job.spec
    assert spec.origin is not None
    assert spec.origin.root == JOB
    further = again(story.when(claim(), fail(permanent=True)).job, RetryMode.RESUME)
    assert further.job.spec.origin is not None
    assert further.job.spec.origin.root == JOB


def test_s12_undone_it_undoes_exactly_what_is_owed() -> None:
    story = again(QUARANTINED, RetryMode.UNDO)
    assert [undo.phase for undo in story.job.undos] == ["b", "a"]
    story = again(QUARANTINED, RetryMode.UNDO, "b")
    assert [undo.phase for undo in story.job.undos] == ["a"]
    assert story.job.spec.origin is not None
    assert story.job.spec.origin.settled == ("b",)


def test_s29_a_job_that_takes_another_up_waits_for_its_fence() -> None:
    origin = given(submit("a"), claim(), start("a"), at(90), cancel(force=True))
    assert resubmission(origin.job, RetryMode.RESUME, job_id=NEW, seed=1).not_before is None
    origin = given(submit("a"), at(80), claim(), start("a"), at(90), cancel(force=True))
    story = again(origin.job, RetryMode.FROM_START)
    story.when(at(109), claim()).refused(Reason.NOT_DUE)
    beside = given(submit("a~", "b?"), at(80), claim(), start("a"), done("a"), start("b"))
    beside.when(at(90), cancel(force=True), claim("bob"))
    for name in ("b", "a"):
        beside.when(undo(name), undone(name))
    assert beside.job.status is Status.COMPENSATED
    resumed = again(beside.job, RetryMode.RESUME)
    resumed.when(at(109), claim()).refused(Reason.NOT_DUE)
    resumed.when(at(110), claim()).then(Started)


@pytest.mark.parametrize(
    ("name", "mode", "settled", "why"),
    [
        ("is held by a worker", RetryMode.FROM_START, (), "not ended"),
        ("completes", RetryMode.RESUME, (), "nothing is left"),
        ("completes", RetryMode.UNDO, (), "owes no undo"),
        ("undoes what it did", RetryMode.UNDO, (), "owes no undo"),
        ("only undoes what its origin owed", RetryMode.RESUME, (), "only undoes"),
        ("only undoes what its origin owed", RetryMode.FROM_START, (), "only undoes"),
        ("fails for good at once", RetryMode.RESUME, ("a",), "mode undo only"),
        ("retries an undo until it will not succeed", RetryMode.UNDO, ("c",), "no undo of c"),
        ("retries an undo until it will not succeed", RetryMode.UNDO, ("a", "b"), "owes no undo"),
    ],
)
def test_what_cannot_be_retried_so_says_why(
    name: str, mode: RetryMode, settled: tuple[str, ...], why: str
) -> None:
    with pytest.raises(Rejected, match=why) as refused:
        resubmission(play(name).job, mode, job_id=NEW, seed=1, settled=settled)
    assert refused.value.reason is Reason.NOT_RETRYABLE


def test_what_may_have_happened_is_settled_by_hand_or_not_undone() -> None:
    quarantine = OnLost(action=Lost.QUARANTINE)
    origin = given(submit("a~", "b~", on_lost=quarantine), claim(), start("a"), done("a"))
    origin.when(start("b"), at(30), reconcile())
    with pytest.raises(Rejected, match="settle it by hand") as refused:
        resubmission(origin.job, RetryMode.UNDO, job_id=NEW, seed=1)
    assert refused.value.reason is Reason.OUTCOME_UNKNOWN
    command = resubmission(origin.job, RetryMode.UNDO, job_id=NEW, seed=1, settled=("b",))
    assert command.carried == (Carried(phase="a"),)
