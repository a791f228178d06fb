"""When again: bounded, monotone up to its cap, the same answer to the same question."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae.retry import Again, Stop, after_attempt, after_undo, delay, worth_it
from parcae.spec import Lost, OnLost, Retry
from parcae.values import LAST_INSTANT, MAX_DURATION, Cause, Error, seconds
from parcae_specs.story import PATIENT, claim, error, given, submit

POLICIES = st.builds(
    Retry,
    max_attempts=st.integers(1, 10_000),
    backoff=st.timedeltas(timedelta(0), MAX_DURATION),
    factor=st.integers(1, 100),
    cap=st.timedeltas(timedelta(0), MAX_DURATION),
    jitter=st.integers(0, 100),
)


@for_all(POLICIES, st.integers(1, 10_000), st.integers())
def test_a_wait_is_bounded_and_never_overflows(policy: Retry, burned: int, seed: int) -> None:
    wait = delay(policy, burned, seed)
    assert timedelta(0) <= wait <= policy.cap
    assert LAST_INSTANT + wait > LAST_INSTANT or wait == timedelta(0)
    assert wait == delay(policy, burned, seed)


@for_all(POLICIES, st.integers(1, 200), st.integers())
def test_jitter_takes_off_its_percentage_and_no_more(policy: Retry, burned: int, seed: int) -> None:
    exact = delay(
        Retry(backoff=policy.backoff, factor=policy.factor, cap=policy.cap, jitter=0), burned
    )
    wait = delay(policy, burned, seed)
    assert exact - exact * policy.jitter / 100 - timedelta(microseconds=1) <= wait <= exact


@for_all(POLICIES, st.integers(1, 200))
def test_without_jitter_waits_never_get_shorter(policy: Retry, burned: int) -> None:
    steady = Retry(backoff=policy.backoff, factor=policy.factor, cap=policy.cap, jitter=0)
    assert delay(steady, burned) <= delay(steady, burned + 1) <= steady.cap


def test_waits_double_until_the_cap() -> None:
    policy = Retry(jitter=0, cap=seconds(5))
    assert [delay(policy, n) for n in (1, 2, 3, 4)] == [seconds(s) for s in (1, 2, 4, 5)]


def test_jitter_spreads_jobs_and_attempts() -> None:
    policy = Retry(jitter=50, factor=1, cap=seconds(1))
    waits = {delay(policy, burned, seed) for burned in (1, 2) for seed in range(50)}
    assert len(waits) == 100
    assert seconds(0.5) <= min(waits) < seconds(0.55)
    assert seconds(0.95) < max(waits) <= seconds(1)


def test_what_is_given_up_on_is_named_by_class_base_or_path() -> None:
    out = Error(type="shop.Out", mro=("shop.Out", "shop.Sad", "builtins.Exception"))
    for name in ("Out", "shop.Out", "Sad", "shop.Sad", "Exception"):
        assert not worth_it(Retry(give_up_on=(name,)), out)
    for name in ("hop.Out", "shop", "Error"):
        assert worth_it(Retry(give_up_on=(name,)), out)
    assert not worth_it(Retry(), error(permanent=True))
    assert worth_it(Retry(give_up_on=("Exception",)), None)


def test_attempts_are_counted_the_present_one_included() -> None:
    job = given(submit("a"), claim()).job
    assert after_attempt(job, Cause.HANDLER_ERROR, error()) == Again(seconds(1))
    once = given(submit("a", retry=Retry(max_attempts=1)), claim()).job
    assert after_attempt(once, Cause.HANDLER_ERROR, error()) == Stop(Cause.HANDLER_ERROR)
    assert after_attempt(once, Cause.ATTEMPT_TIMEOUT, None) == Stop(Cause.ATTEMPT_TIMEOUT)


def test_a_loss_follows_its_own_policy_first() -> None:
    for rule, verdict in (
        (OnLost(action=Lost.FAIL), Stop(Cause.LEASE_LOST)),
        (OnLost(action=Lost.QUARANTINE), Stop(Cause.LEASE_LOST, quarantine=True)),
        (OnLost(times=0), Stop(Cause.POISON, quarantine=True)),
        (OnLost(times=1), Again(seconds(1))),
    ):
        job = given(submit("a", on_lost=rule), claim()).job
        assert after_attempt(job, Cause.LEASE_LOST, None) == verdict
        assert after_attempt(job, Cause.ATTEMPT_TIMEOUT, None) == Again(seconds(1))


def test_tries_of_an_undo_are_bounded() -> None:
    assert after_undo(PATIENT, 2, None) == Again(seconds(2))
    assert after_undo(PATIENT, 3, None) == Stop(Cause.COMPENSATION_FAILED, quarantine=True)
    assert isinstance(after_undo(PATIENT, 1, error(permanent=True)), Stop)
