"""Taking the lease and keeping it: claims, renewals, and what a repeat of them is given."""

from __future__ import annotations

from parcae.errors import Conflict, LeaseLost, Reason
from parcae.events import CompensationClaimed, Started
from parcae.spec import Retry, Timing
from parcae.values import minutes, seconds
from parcae_specs.story import (
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    like,
    reconcile,
    release,
    renew,
    start,
    submit,
)

UNDOING = (
    submit("a~", "b", retry=Retry(max_attempts=1)),
    claim(),
    start("a"),
    done("a"),
    start("b"),
    fail(),
)


def test_a_claim_gives_a_lease_under_the_first_token() -> None:
    story = given(submit("a"), at(5)).when(claim("ann", "r1"))
    story.then(like(Started, token=1, worker="ann", request="r1", expires_at=at(35)))
    assert story.stored is not None
    assert story.stored.liveness is not None
    assert story.stored.liveness.expires_at == at(35)


def test_s3_each_claim_gets_a_greater_token_whatever_happened_in_between() -> None:
    story = given(submit("a"), claim(), release(), claim(), fail(2), at(1), claim())
    story.then(like(Started, token=3))
    assert story.job.token == 3


def test_a_claim_before_its_time_is_refused() -> None:
    given(submit("a", run_at=at(60))).when(at(59.999), claim()).refused(Reason.NOT_DUE)
    given(submit("a", run_at=at(60))).when(at(60), claim()).then(Started)


def test_a_claim_at_the_deadline_is_refused() -> None:
    given(submit("a", deadline=at(60))).when(at(59), claim()).then(Started)
    given(submit("a", deadline=at(60))).when(at(60), claim()).refused(Reason.PAST_DEADLINE)


def test_s30_a_stale_job_is_not_claimed_though_nobody_has_reconciled_it() -> None:
    patience = Timing(stale_after=minutes(1))
    given(submit("a", timing=patience)).when(at(59), claim()).then(Started)
    given(submit("a", timing=patience)).when(at(60), claim()).refused(Reason.STALE)


def test_staleness_and_deadline_stop_no_undo() -> None:
    bounds = Timing(stale_after=seconds(1), deadline=seconds(5))
    story = given(submit("a~", "b", timing=bounds), claim(), start("a"), done("a"))
    story.when(at(5), reconcile(), at(3_600), claim("bob")).then(CompensationClaimed)


def test_s3_a_held_job_is_not_claimed() -> None:
    given(submit("a"), claim("ann")).when(claim("bob")).refused(Reason.UNLAWFUL)
    given(*UNDOING, claim("ann")).when(claim("bob")).refused(Reason.HELD)


def test_s3_an_expired_lease_is_not_taken_over_before_it_is_reconciled() -> None:
    given(submit("a"), claim("ann")).when(at(90), claim("bob")).refused(Reason.UNLAWFUL)
    given(*UNDOING, claim("ann")).when(at(90), claim("bob")).refused(Reason.HELD)


def test_s25_a_repeated_claim_is_given_the_same_lease() -> None:
    story = given(submit("a"), claim("ann", "r1"), at(9), renew())
    story.when(at(10), claim("ann", "r1")).then()
    assert story.last.decision is not None
    assert story.last.decision.liveness == story.edges[-2].after.liveness  # type: ignore[union-attr]
    given(*UNDOING, claim("ann", "r2")).when(at(10), claim("ann", "r2")).then()


def test_s25_the_same_key_of_another_worker_is_another_claim() -> None:
    given(submit("a"), claim("ann", "r1")).when(claim("bob", "r1")).refused(Reason.UNLAWFUL)
    given(*UNDOING, claim("ann", "r1")).when(claim("ann", "r2")).refused(Reason.HELD)


def test_s25_a_repeated_claim_is_never_more_than_is_permitted_now() -> None:
    story = given(submit("a"), claim())
    story.when(at(30), claim()).refused(Reason.EXPIRED, LeaseLost)
    story.when(at(5), cancel(), claim()).refused(Reason.CANCEL_REQUESTED)
    given(*UNDOING, claim(), cancel()).when(claim()).then()


def test_a_renewal_extends_the_lease_and_adds_no_event() -> None:
    story = given(submit("a"), claim()).when(at(29), renew()).then()
    assert story.stored is not None
    assert story.stored.liveness is not None
    assert story.stored.liveness.expires_at == at(59)
    assert story.stored.liveness.renewed_at == at(29)
    story.when(at(58), renew()).then()


def test_s24_an_expired_lease_is_not_renewed_though_nobody_has_reclaimed_it() -> None:
    given(submit("a"), claim()).when(at(30), renew()).refused(Reason.EXPIRED, LeaseLost)


def test_a_renewal_never_moves_the_expiry_back() -> None:
    story = given(submit("a"), at(10), claim())
    story.when(at(9), renew()).refused(Reason.WOULD_SHORTEN, Conflict)
    before = story.stored
    story.when(at(10), renew()).then()
    assert story.stored == before


def test_a_renewal_goes_on_after_a_cancel_was_requested_until_its_grace_is_over() -> None:
    story = given(submit("a"), claim(), at(5), cancel(), at(20), renew())
    story.when(at(34), renew()).then()
    story.when(at(35), renew()).refused(Reason.CANCEL_REQUESTED, LeaseLost)


def test_s30_a_renewal_ends_with_the_attempt_whether_or_not_anybody_looked() -> None:
    hasty = given(submit("a", timing=Timing(attempt=seconds(10))), claim())
    hasty.when(at(9), renew()).then()
    hasty.when(at(10), renew()).refused(Reason.TIMED_OUT, LeaseLost)
    late = given(submit("a", deadline=at(10)), claim())
    late.when(at(10), renew()).refused(Reason.PAST_DEADLINE, LeaseLost)


def test_a_worker_that_does_not_hold_the_job_renews_nothing() -> None:
    story = given(submit("a"), claim(), release())
    story.when(renew()).refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(claim("bob")).when(renew(1)).refused(Reason.STALE_TOKEN, LeaseLost)
    story.when(renew(3)).refused(Reason.UNKNOWN_TOKEN)
    story.when(renew(0)).refused(Reason.UNKNOWN_TOKEN)
