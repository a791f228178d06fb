"""The rules that a store runs: a view in, changes out, decided in one pure call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import admit
from parcae import answers as a
from parcae import commands as c
from parcae import events as e
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Change, Key, KeyRow, Revision, View
from parcae.effects import Announce, Interrupt, Offer, Remind
from parcae.errors import Conflict, LeaseLost, Reason, Rejected
from parcae.handle import Held
from parcae.spec import RetryMode
from parcae.state import Stored
from parcae.values import (
    MAX_BLOB,
    Cause,
    Instant,
    JobId,
    Lane,
    Place,
    Status,
    WorkerId,
    blob,
    minutes,
)
from parcae_specs.scenarios import play
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    START,
    Step,
    Story,
    at,
    cancel,
    claim,
    delete,
    done,
    fail,
    given,
    note,
    reconcile,
    release,
    renew,
    result_of,
    spec,
    start,
    submit,
)

KINDS = frozenset({"demo"})
KEY = Idempotency(key=Key(scope="submit", key="order-17"), ttl=minutes(10))


def job(name: str, *steps: Step) -> tuple[JobId, Stored]:
    """A job of this name, as these steps leave it."""
    story = given(*(steps or (submit("a", "b"),)))
    assert story.stored is not None
    return JobId(name), replace(story.stored, job=replace(story.job, id=JobId(name)))


def view(
    *jobs: tuple[JobId, Stored],
    now: Instant = START,
    seed: int = 7,
    keys: Iterable[KeyRow] = (),
    blobs: dict[tuple[JobId, str], bytes] | None = None,
) -> View:
    """What a store shows."""
    return View(
        now=now,
        place=Place(50),
        seed=seed,
        jobs=dict(jobs),
        keys={row.key: row for row in keys},
        blobs=blobs or {},
    )


def one(*steps: Step) -> tuple[JobId, Stored]:
    """The job of a story under its own name."""
    return job(JOB, *steps)


HELD = (submit("a", "b"), claim("ann", "r1"), start("a"))

ENDED = (submit("a"), claim(), start("a"), done("a"))


# Single commands


def test_a_command_gives_events_the_job_after_them_and_what_follows() -> None:
    change = rules.handle(view(one()), JOB, claim("ann", "r1"))
    assert (change.job_id, change.before, change.idle) == (JOB, 2, False)
    assert [type(event) for event in change.events] == [e.Started]
    assert change.job is not None
    assert change.liveness is not None
    assert change.effects == (Remind(at=at(30)),)
    assert isinstance(change.answer, a.Granted)
    assert (change.answer.lease.token, change.answer.expires_at) == (1, at(30))


def test_a_result_keeps_its_bytes_a_late_one_under_a_name_of_its_own() -> None:
    change = rules.handle(view(one(*HELD)), JOB, done("a", result=b"1"), b"1")
    assert change.blobs == ((result_of("a", b"1"), b"1"),)
    assert change.answer == a.Accepted(job_id=JOB, status=Status.RUNNING)
    late = view(one(*HELD, release()))
    change = rules.handle(late, JOB, done("a", result=b"1"), b"1")
    assert [(ref.name, data) for ref, data in change.blobs] == [("late/1", b"1")]
    assert isinstance(change.answer, LeaseLost)
    assert change.answer.reason is Reason.STALE_TOKEN


def test_what_changes_nothing_is_idle() -> None:
    again = view(one(*HELD, done("a", result=b"1")))
    change = rules.handle(again, JOB, done("a", result=b"1"), b"1")
    assert (change.idle, change.events, change.blobs) == (True, (), ())
    assert change.answer == a.Accepted(job_id=JOB, status=Status.RUNNING)
    assert rules.handle(view(one()), JOB, reconcile()).idle
    assert rules.handle(view(one(*HELD)), JOB, renew()).idle
    assert not rules.handle(view(one(*HELD), now=at(1)), JOB, renew()).idle


def test_a_deletion_leaves_no_job() -> None:
    change = rules.handle(view(one(submit("a"), cancel())), JOB, delete())
    assert (change.job, change.effects, change.answer) == (None, (), a.Deletion(job_id=JOB))


@pytest.mark.parametrize(
    ("steps", "now", "force", "outcome", "status", "cause"),
    [
        ((submit("a"),), 0, False, "cancelled", "cancelled", Cause.CANCELLED),
        (HELD, 0, False, "cancelling", "running", None),
        (HELD, 0, True, "cancelled", "cancelled", Cause.FORCED_CANCEL),
        (TO_UNDO, 0, False, "compensating", "compensating", Cause.HANDLER_ERROR),
        (ENDED, 0, False, "already ended", "completed", None),
        ((submit("a", deadline=at(5)),), 6, False, "already ended", "failed", Cause.DEADLINE),
        (
            (submit("a~"), claim(), start("a")),
            0,
            True,
            "already ended",
            "quarantined",
            Cause.OUTCOME_UNKNOWN,
        ),
    ],
)
def test_s9_a_cancel_is_told_the_truth(
    steps: tuple[Step, ...],
    now: float,
    force: bool,
    outcome: str,
    status: str,
    cause: Cause | None,
) -> None:
    change = rules.handle(view(one(*steps), now=at(now)), JOB, cancel(force=force))
    answer = change.answer
    assert isinstance(answer, a.CancelAnswer)
    assert (answer.outcome, answer.status, answer.cause) == (outcome, status, cause)


def test_whoever_is_concerned_is_told() -> None:
    change = rules.handle(view(one(*HELD), now=at(5)), JOB, cancel(force=True))
    ann = WorkerId("ann")
    assert set(map(type, change.effects)) == {Interrupt, Announce}
    assert next(one for one in change.effects if isinstance(one, Interrupt)).worker == ann


# Submissions


def sole(*asked: Any) -> Change:
    """The one change that a submission comes to."""
    return only(admit.submit(*asked))


def only(made: Sequence[Change | Revision]) -> Change:
    """The one change that a rule came to."""
    (change,) = made
    assert isinstance(change, Change)
    return change


def test_s17_one_key_one_job_until_it_expires() -> None:
    first = sole(view(), spec("a"), b"{}", KEY)
    (row,) = first.keys
    assert row.expires_at == at(600)
    assert first.blobs == ((spec("a").payload, b"{}"),)
    assert first.job is not None
    there = (first.job_id, Stored(job=first.job))
    again = sole(view(there, seed=8, keys=[row], now=at(599)), spec("a"), b"{}", KEY)
    assert again.idle
    assert again.answer == a.Admitted(job_id=first.job_id, duplicate=True)
    gone = sole(view(seed=8, keys=[row]), spec("a"), b"{}", KEY)
    assert gone.answer == a.Admitted(job_id=first.job_id, duplicate=True, deleted=True)
    assert (gone.idle, gone.job) == (True, None)
    free = sole(view(seed=8, keys=[row], now=at(600)), spec("a"), b"{}", KEY)
    assert free.job_id != first.job_id
    assert not free.idle


@pytest.mark.parametrize("other", ["kind", "lane", "payload"])
def test_s17_the_same_key_with_another_body_is_refused(other: str) -> None:
    (row,) = sole(view(), spec("a"), b"{}", KEY).keys
    changes = {"kind": "x", "lane": Lane("q"), "payload": blob("payload", b"[]")}
    with pytest.raises(Rejected) as refused:
        sole(view(keys=[row]), spec("a", **{other: changes[other]}), b"{}", KEY)
    assert refused.value.reason is Reason.KEY_REUSED


def test_a_submission_is_named_by_its_instant_and_seeded_by_chance_from_the_view() -> None:
    one_job = sole(view(seed=1), spec("a"), b"{}")
    other = sole(view(seed=2), spec("a"), b"{}")
    assert one_job.job_id != other.job_id
    assert one_job.job is not None
    assert other.job is not None
    assert one_job.job.spec.seed != other.job.spec.seed
    assert sole(view(seed=1), spec("a"), b"{}") == one_job
    with pytest.raises(Rejected) as refused:
        sole(view(), spec("a"), b"x" * (MAX_BLOB + 1))
    assert refused.value.reason is Reason.TOO_LARGE


# Manual retries

BLOBS = {(JOB, "payload"): b"{}", (JOB, "result/a"): b"1"}


def quarantined() -> tuple[JobId, Stored]:
    """An ended job that owes two undos."""
    story: Story = play("retries an undo until it will not succeed")
    assert story.stored is not None
    return JOB, story.stored


def test_s12_what_a_job_did_is_taken_over_once() -> None:
    blobs = {**BLOBS, (JOB, "result/b"): b""}
    first = admit.retry(view(quarantined(), blobs=blobs), JOB, RetryMode.UNDO)
    once = admit.carry_key(JOB)
    assert [row.key for row in first.keys] == [once]
    assert first.keys[0].expires_at is None
    for mode in (RetryMode.RESUME, RetryMode.UNDO):
        with pytest.raises(Rejected) as refused:
            admit.retry(view(quarantined(), keys=first.keys, blobs=blobs), JOB, mode)
        assert refused.value.reason is Reason.ALREADY_RETRIED
    fresh = admit.retry(
        view(quarantined(), keys=first.keys, blobs=blobs), JOB, RetryMode.FROM_START
    )
    assert fresh.keys == ()


def test_a_retry_takes_payload_and_results_along() -> None:
    change = admit.retry(view(quarantined(), blobs=BLOBS), JOB, RetryMode.RESUME)
    assert {ref.name: data for ref, data in change.blobs} == {"payload": b"{}", "result/a": b"1"}


def test_s17_a_retry_takes_a_key_too() -> None:
    first = admit.retry(view(quarantined(), blobs=BLOBS), JOB, RetryMode.RESUME, (), KEY)
    assert {row.key.scope for row in first.keys} == {"submit", "carry"}
    assert first.job is not None
    there = (first.job_id, Stored(job=first.job))
    shown = view(quarantined(), there, keys=first.keys, seed=8, blobs=BLOBS)
    again = admit.retry(shown, JOB, RetryMode.RESUME, (), KEY)
    assert again.answer == a.Admitted(job_id=first.job_id, duplicate=True)
    with pytest.raises(Rejected) as refused:
        admit.retry(shown, JOB, RetryMode.FROM_START, (), KEY)
    assert refused.value.reason is Reason.KEY_REUSED


# Claims, renewals, reconciliation


def granted(changes: Iterable[Change]) -> list[str]:
    """Which jobs were granted."""
    return [change.job_id for change in changes if isinstance(change.answer, a.Granted)]


def ask(seen: View, request: str = "r1", limit: int = 2, worker: str = "ann") -> list[str]:
    """Whom a claimer is granted."""
    found = rules.claim(seen, claim(worker, request), kinds=KINDS, queues=None, limit=limit)
    return granted(found)


def test_a_claim_grants_up_to_its_limit_the_first_in_line_first() -> None:
    line = [job(name, at(0), submit("a", priority=n)) for n, name in enumerate("xyz")]
    assert ask(view(*line)) == ["z", "y"]
    assert ask(view(*line), limit=9) == ["z", "y", "x"]
    assert ask(view()) == []


def test_s25_a_repeated_claim_is_given_what_it_was_given_and_no_more() -> None:
    mine = job("x", submit("a"), claim("ann", "r1"))
    free = job("y")
    assert ask(view(mine, free)) == ["x"]
    assert ask(view(mine, free), request="r2") == ["y"]
    assert ask(view(mine, free), worker="bob") == ["y"]
    assert ask(view(mine, free, now=at(30))) == []
    cancelled = job("x", submit("a"), claim("ann", "r1"), cancel())
    assert ask(view(cancelled, free)) == []


def test_each_renewal_has_an_answer_of_its_own_in_order() -> None:
    alive, gone = job("x", *HELD), job("y", *HELD, release())
    late = job("z", at(20), *HELD)
    held = [Held(job_id=JobId(name), command=c.Renew(token=renew().token)) for name in "xynz"]
    changes, answers = rules.renew(view(alive, gone, late, now=at(9)), held)
    assert [change.job_id for change in changes] == ["x"]
    renewed, lost, unknown, conflict = answers
    assert renewed == a.Renewed(expires_at=at(39))
    assert isinstance(lost, LeaseLost)
    assert isinstance(unknown, Rejected)
    assert isinstance(conflict, Conflict)


def test_a_renewal_says_that_a_cancel_was_requested() -> None:
    change = rules.handle(view(one(*HELD, cancel()), now=at(1)), JOB, renew())
    assert change.answer == a.Renewed(expires_at=at(31), cancel_requested=True)


def test_reconciling_settles_what_is_due_and_gives_each_job_a_place_of_its_own() -> None:
    lost = [job(name, *HELD) for name in "xy"]
    made = rules.reconcile(view(*lost, job("fresh"), now=at(30)))
    changes = [change for change in made if isinstance(change, Change)]
    assert len(changes) == len(made)
    assert [change.job_id for change in changes] == ["x", "y"]
    places = [change.job.place for change in changes if change.job]
    assert len(set(places)) == 2
    assert min(places) >= 50
    assert all(any(isinstance(one, Offer) for one in change.effects) for change in changes)
    assert changes[0].answer == a.Reconciled(
        job_id=JobId("x"), before=Status.RUNNING, after=Status.SCHEDULED, cause=Cause.LEASE_LOST
    )


def test_s18_a_rule_changes_nothing_that_it_was_shown() -> None:
    seen = view(one(*HELD), now=at(30))
    before = repr(seen)
    rules.reconcile(seen)
    ask(seen)
    rules.handle(seen, JOB, fail())
    rules.handle(seen, JOB, note())
    assert repr(seen) == before
