"""Every refusal names its reason, and each reason is somewhere the only one (S28)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae.admit import Idempotency, retry, submit
from parcae.change import Key, KeyRow, View
from parcae.commands import Delete
from parcae.errors import Conflict, Corrupt, LeaseLost, ParcaeError, Reason, Rejected, Superseded
from parcae.grouping import Edge, Member, Plan, submit_group
from parcae.handle import claim_named, obey
from parcae.queues import Bounds, Queue
from parcae.spec import RetryMode, Timing
from parcae.values import MAX_BLOB, Blob, Place, Token, WorkerId, minutes, seconds
from parcae_specs.scenarios import play
from parcae_specs.scenarios.common import PARENTS
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    Story,
    at,
    cancel,
    claim,
    confirm,
    delete,
    done,
    given,
    migrate,
    reconcile,
    release,
    renew,
    settle,
    shape,
    spec,
    start,
    undo,
    undone,
)
from parcae_specs.story import submit as admit

HASTY = Timing(attempt=seconds(10))
HUGE = c.CompletePhase(token=Token(1), phase="a", result=Blob("result/a", MAX_BLOB + 1, "00" * 32))
HELD = (admit("a", "b"), claim(), start("a"))
AB = shape("1", "a", "b")

# Each refused story, and how it is taken once the one thing is mended that the reason names.
SOLE: dict[Reason, tuple[Story, Story]] = {
    Reason.NOT_FOUND: (given().when(cancel()), given(admit("a")).when(cancel())),
    Reason.DUPLICATE_ID: (given(admit("a")).when(admit("a")), given().when(admit("a"))),
    Reason.UNLAWFUL: (given(*HELD).when(claim("bob")), given(admit("a")).when(claim("bob"))),
    Reason.BAD_INPUT: (
        given(admit("a"), claim()).when(start("z")),
        given(admit("a"), claim()).when(start("a")),
    ),
    Reason.TOO_LARGE: (given(*HELD).when(HUGE), given(*HELD).when(done("a", result=b"1"))),
    Reason.NOT_DUE: (
        given(admit("a", run_at=at(9))).when(at(8), claim()),
        given(admit("a", run_at=at(9))).when(at(9), claim()),
    ),
    Reason.HELD: (
        given(*TO_UNDO, claim("bob")).when(claim("cyd")),
        given(*TO_UNDO).when(claim("cyd")),
    ),
    Reason.PAST_DEADLINE: (
        given(admit("a", deadline=at(9))).when(at(9), claim()),
        given(admit("a", deadline=at(9))).when(at(8), claim()),
    ),
    Reason.CANCEL_REQUESTED: (
        given(admit("a"), claim(), cancel()).when(start("a")),
        given(admit("a"), claim()).when(start("a")),
    ),
    Reason.NO_CANCEL_REQUESTED: (
        given(*HELD).when(confirm()),
        given(*HELD, cancel()).when(confirm()),
    ),
    Reason.TIMED_OUT: (
        given(admit("a", timing=HASTY), claim()).when(at(10), start("a")),
        given(admit("a", timing=HASTY), claim()).when(at(9), start("a")),
    ),
    Reason.OUT_OF_ORDER: (
        given(admit("a", "b"), claim()).when(start("b")),
        given(admit("a", "b"), claim(), start("a"), done("a")).when(start("b")),
    ),
    Reason.PHASE_RUNNING: (
        given(*HELD).when(start("b")),
        given(*HELD, done("a")).when(start("b")),
    ),
    Reason.NOT_STARTED: (
        given(admit("a"), claim()).when(done("a")),
        given(admit("a"), claim(), start("a")).when(done("a")),
    ),
    Reason.UNKNOWN_TOKEN: (given(*HELD).when(renew(2)), given(*HELD).when(renew(1))),
    Reason.ANOTHER_RESULT: (
        given(*HELD, done("a", result=b"1")).when(done("a", result=b"2")),
        given(*HELD, done("a", result=b"1")).when(done("a", result=b"1")),
    ),
    Reason.RETAINED: (
        given(admit("a"), cancel()).when(at(59), delete(retention=minutes(1))),
        given(admit("a"), cancel()).when(at(60), delete(retention=minutes(1))),
    ),
    Reason.UNKNOWN_DEPENDENCY: (
        given(admit("a", dependencies=PARENTS)).when(settle("z")),
        given(admit("a", dependencies=PARENTS)).when(settle("p")),
    ),
    Reason.STALE_TOKEN: (
        given(*HELD, release(), claim()).when(renew(1)),
        given(*HELD, release(), claim()).when(renew(2)),
    ),
    Reason.EXPIRED: (given(*HELD).when(at(30), renew()), given(*HELD).when(at(29), renew())),
    Reason.STALE: (
        given(admit("a", timing=Timing(stale_after=minutes(1)))).when(at(60), claim()),
        given(admit("a", timing=Timing(stale_after=minutes(1)))).when(at(59), claim()),
    ),
    Reason.NOT_MIGRATABLE: (
        given(*HELD, done("a"), release()).when(migrate(AB, shape("2", "c"))),
        given(*HELD, done("a"), release()).when(migrate(AB, shape("2", "a", "c"))),
    ),
    Reason.WOULD_SHORTEN: (
        given(at(9), *HELD).when(at(8), renew()),
        given(at(9), *HELD).when(at(9), renew()),
    ),
}
BY_RULES = {
    Reason.KEY_REUSED,
    Reason.NOT_RETRYABLE,
    Reason.ALREADY_RETRIED,
    Reason.OUTCOME_UNKNOWN,
    Reason.NEEDED,
    Reason.CYCLE,
    Reason.PAUSED,
    Reason.FULL,
}
BY_STORES = {Reason.MOVED_ON}
SUPERSEDED = {
    Reason.STALE_TOKEN: LeaseLost,
    Reason.EXPIRED: LeaseLost,
    Reason.WOULD_SHORTEN: Conflict,
}


def test_every_reason_is_the_only_one_somewhere() -> None:
    assert set(SOLE) | BY_RULES | BY_STORES == set(Reason)


@pytest.mark.parametrize("reason", SOLE)
def test_s28_a_reason_alone_refuses_and_without_it_nothing_does(reason: Reason) -> None:
    refused, taken = SOLE[reason]
    refused.refused(reason, SUPERSEDED.get(reason, Rejected))
    assert taken.last.refusal is None


def test_s28_guards_of_other_kinds_are_also_alone_somewhere() -> None:
    """The same reason from another guard: each of these refuses by one guard only."""
    given(*TO_UNDO, claim("bob")).when(undo("a")).refused(Reason.OUT_OF_ORDER)
    given(*TO_UNDO, claim("bob")).when(undone("b")).refused(Reason.NOT_STARTED)
    given(*TO_UNDO, claim("bob")).when(at(30), undo("b")).refused(Reason.EXPIRED, LeaseLost)
    given(admit("a"), claim()).when(at(30), start("a")).refused(Reason.EXPIRED, LeaseLost)
    given(admit("a"), claim()).when(at(30), claim()).refused(Reason.EXPIRED, LeaseLost)
    given(admit("a"), claim(), cancel()).when(claim()).refused(Reason.CANCEL_REQUESTED)
    given(admit("a", deadline=at(9)), claim()).when(at(9), start("a")).refused(Reason.PAST_DEADLINE)
    given(admit("a"), claim()).when(renew(0)).refused(Reason.UNKNOWN_TOKEN)


def view(*stories: Story, keys: tuple[KeyRow, ...] = ()) -> View:
    """What a store would show."""
    return View(
        now=at(100),
        place=Place(50),
        seed=7,
        jobs={story.job_id: story.stored for story in stories if story.stored},
        keys={row.key: row for row in keys},
        blobs={(JOB, "payload"): b"{}", (JOB, "result/a"): b"1"},
    )


def test_s28_the_reasons_of_the_rules() -> None:
    key = Idempotency(key=Key(scope="submit", key="k"), ttl=minutes(1))
    row = KeyRow(key=key.key, fingerprint="other", job_id=JOB)
    over = view(given(admit("a"), cancel()))
    circular = Member(spec=spec("a"), payload=b"{}", after=(Edge(index=0),))
    rules: tuple[tuple[Reason, Callable[[], object]], ...] = (
        (Reason.KEY_REUSED, lambda: submit(view(keys=(row,)), spec("a"), b"{}", key)),
        (Reason.TOO_LARGE, lambda: submit(view(), spec("a"), b"x" * (MAX_BLOB + 1))),
        (Reason.NOT_FOUND, lambda: retry(view(), JOB, RetryMode.RESUME)),
        (Reason.NOT_RETRYABLE, lambda: retry(view(given(*HELD)), JOB, RetryMode.RESUME)),
        (Reason.NEEDED, lambda: obey(replace(over, needed=frozenset({JOB})), JOB, Delete())),
        (Reason.CYCLE, lambda: submit_group(view(), Plan(members=(circular,)))),
        (Reason.PAUSED, lambda: _claim_by_name(paused_at=at(0))),
        (Reason.FULL, lambda: _claim_by_name(bounds=Bounds(limit=0))),
    )
    for reason, rule in rules:
        with pytest.raises(Rejected) as refused:
            rule()
        assert refused.value.reason is reason


def _claim_by_name(**limits: Any) -> object:
    """Claim a job, in a queue with these limits, whose turn a queue of the host's has chosen."""
    seen = view(given(admit("a")))
    lane = spec("a").lane
    queues = {lane.queue: Queue(name=lane.queue, **limits)}
    command = c.Claim(worker=WorkerId("bob"), request="1")
    return claim_named(replace(seen, queues=queues), JOB, command)


def test_a_rejection_says_what_would_be_lawful() -> None:
    refusal = given(admit("a")).when(delete()).last.refusal
    assert isinstance(refusal, Rejected)
    assert (refusal.status, refusal.command) == ("scheduled", "Delete")
    lawful = ("Abandon", "Annotate", "Cancel", "Claim", "Migrate", "Quarantine", "Reconcile")
    assert refusal.lawful == lawful
    assert f"which takes {', '.join(lawful)}" in str(refusal)
    nobody = given().when(reconcile()).last.refusal
    assert isinstance(nobody, Rejected)
    assert (nobody.status, nobody.lawful) == (None, ("Submit",))


def test_all_that_is_raised_on_purpose_has_one_root() -> None:
    assert issubclass(LeaseLost, Superseded)
    assert issubclass(Conflict, Superseded)
    for kind in (Rejected, Superseded, Corrupt):
        assert issubclass(kind, ParcaeError)
    assert str(Corrupt("bad", job_id="j", position=3)) == "bad (job j, position 3)"
    assert play("completes").job.status == "completed"
