"""Arithmetic without bounds: attempts, tokens, instants and waits of any size whatever.

What the walks show for two attempts and two tokens is shown here for any number of them.
"""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve as replace
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import events as e
from parcae.decide import decide
from parcae.errors import Conflict, LeaseLost, Reason, Rejected
from parcae.retry import MICROSECOND, Again, Stop, after_attempt, after_undo, delay
from parcae.spec import Lost, OnLost, Retry
from parcae.state import Liveness, Running, Scheduled, Stored
from parcae.timing import expired, next_due
from parcae.values import MAX_DURATION, Cause, Instant, Place, Token, Version, seconds
from parcae_specs.story import JOB, START, at, claim, fail, given, put, release, renew, spec, submit

COUNTS = st.integers(0, 10**30)
TOKENS = st.integers(1, 10**30)
WAITS = st.timedeltas(timedelta(0), MAX_DURATION)
INSTANTS = st.integers(-(10**10), 10**10).map(at)


def scheduled(token: int, **counts: int) -> Stored:
    """A job in line that has been claimed ``token`` times."""
    stored = given(submit("a")).stored
    assert stored is not None
    job = replace(stored.job, token=Token(token), **counts)  # type: ignore[arg-type]
    return Stored(job=job)


def held(token: int, **changes: object) -> Stored:
    """A job that is held under its ``token``-th lease, until 30."""
    stored = put(scheduled(token - 1), claim(), START, Place(1)).after
    assert stored is not None
    return Stored(job=replace(stored.job, **changes), liveness=stored.liveness)  # type: ignore[arg-type]


def limited(attempts: int, releases: int = 0, losses: int = 0) -> object:
    """A spec whose limits are these, however absurd: no validator sees it."""
    found = spec("a", retry=Retry(jitter=0), on_lost=OnLost(action=Lost.RETRY))
    object.__setattr__(found.retry, "max_attempts", attempts)
    object.__setattr__(found.retry, "max_releases", releases)
    object.__setattr__(found.on_lost, "times", losses)
    return found


@for_all(COUNTS)
def test_s3_a_claim_gives_the_next_token_and_no_other_is_ever_current(given_before: int) -> None:
    stored = scheduled(given_before)
    edge = put(stored, claim(), START, Place(1))
    assert edge.after is not None
    assert edge.after.job.token == given_before + 1
    assert edge.after.job.version == Version(stored.job.version + 1)


@for_all(TOKENS, st.integers(-(10**30), 2 * 10**30))
def test_s4_under_any_other_token_nothing_is_permitted(token: int, other: int) -> None:
    assume(other != token)
    refusal = put(held(token), renew(other), START, Place(1)).refusal
    assert isinstance(refusal, Rejected | LeaseLost)
    stale = 1 <= other < token
    assert refusal.reason is (Reason.STALE_TOKEN if stale else Reason.UNKNOWN_TOKEN)


@for_all(COUNTS, st.integers(1, 10**30))
def test_s19_a_failure_is_retried_exactly_while_attempts_are_left(burned: int, most: int) -> None:
    assume(burned < most)
    stored = held(1, attempts=burned, spec=limited(most))
    verdict = after_attempt(stored.job, Cause.HANDLER_ERROR, None)
    assert isinstance(verdict, Again) == (burned + 1 < most)
    (event,) = put(stored, fail(), START, Place(1)).events
    assert type(event) is (e.RetryScheduled if burned + 1 < most else e.Failed)


@for_all(COUNTS, COUNTS, COUNTS, st.integers(1, 10**30))
def test_s19_a_release_burns_exactly_once_the_free_ones_are_spent(
    released: int, free: int, burned: int, most: int
) -> None:
    assume(burned < most)
    stored = held(1, releases=released, attempts=burned, spec=limited(most, releases=free))
    (event,) = put(stored, release(), START, Place(1)).events
    if released < free:
        assert isinstance(event, e.Released)
        assert not event.burned
    else:
        assert type(event) is (e.Released if burned + 1 < most else e.Failed)


@for_all(COUNTS, COUNTS)
def test_a_loss_is_poison_exactly_past_its_number(lost: int, most: int) -> None:
    job = held(1, losses=lost, spec=limited(10**31, losses=most)).job
    verdict = after_attempt(job, Cause.LEASE_LOST, None)
    assert (verdict == Stop(Cause.POISON, quarantine=True)) == (lost + 1 > most)


@for_all(COUNTS, st.integers(1, 10**30))
def test_an_undo_is_given_up_exactly_at_its_last_try(burned: int, most: int) -> None:
    policy = limited(most).retry  # type: ignore[attr-defined]
    assert isinstance(after_undo(policy, burned, None), Stop) == (burned >= most)


@for_all(WAITS, st.integers(1, 10**6), WAITS, st.integers(0, 100), st.integers(1, 10**30))
def test_a_wait_stays_between_nothing_and_its_cap_after_any_number_of_attempts(
    backoff: timedelta, factor: int, cap: timedelta, jitter: int, burned: int
) -> None:
    policy = Retry(backoff=backoff, cap=cap, jitter=jitter)
    object.__setattr__(policy, "factor", factor)
    wait = delay(policy, burned, burned)
    exact = min(backoff // MICROSECOND * factor ** min(burned - 1, 60), cap // MICROSECOND)
    least = exact - -(-exact * jitter // 100)
    assert least <= wait // MICROSECOND <= exact


@for_all(INSTANTS, WAITS, st.integers(-(10**6), 10**6))
def test_s24_a_renewal_never_moves_a_lease_back_and_none_is_granted_after_it(
    now: Instant, length: timedelta, later: int
) -> None:
    assume(length >= seconds(1))
    stored = held(1)
    timing = replace(stored.job.spec.timing, lease=length, attempt=MAX_DURATION)
    until = now + length
    job = replace(stored.job, spec=replace(stored.job.spec, timing=timing))
    assert isinstance(job.state, Running)
    lease = replace(job.state.lease, since=now, expires_at=until)
    job = replace(job, state=Running(lease=lease), submitted_at=now)
    live = Liveness(token=Token(1), expires_at=until, renewed_at=now)
    asked = now + timedelta(seconds=later)
    edge = put(Stored(job=job, liveness=live), renew(), asked, Place(1))
    assert expired(live, asked) == (until <= asked)
    if edge.refusal is None:
        assert edge.after is not None
        assert edge.after.liveness is not None
        assert edge.after.liveness.expires_at == asked + length >= until
    else:
        late = isinstance(edge.refusal, LeaseLost) and asked >= until
        assert late or (isinstance(edge.refusal, Conflict) and asked < now)


@for_all(INSTANTS, INSTANTS, INSTANTS)
def test_s30_a_job_may_be_claimed_from_its_instant_on_and_not_before(
    ready_at: Instant, since: Instant, now: Instant
) -> None:
    stored = scheduled(0)
    job = replace(stored.job, state=Scheduled(ready_at=ready_at, since=since))
    edge = put(Stored(job=job), claim(), now, Place(1))
    assert (edge.refusal is None) == (ready_at <= now)
    assert next_due(job, None) is None


@for_all(INSTANTS, st.integers(-(10**9), 10**9))
def test_no_decision_depends_on_when_time_began(now: Instant, by: int) -> None:
    stored, moved = scheduled(0), timedelta(seconds=by)
    for instant in (now, now + moved):
        job = replace(stored.job, state=Scheduled(ready_at=instant, since=instant))
        decided = decide(JOB, Stored(job=job), claim(), instant, Place(1))
        assert decided.liveness is not None
        assert decided.liveness.expires_at - instant == stored.job.spec.timing.lease
