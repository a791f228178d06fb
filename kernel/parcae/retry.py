"""When a failed attempt, or a failed undo, is made again."""

from __future__ import annotations

from datetime import timedelta

from attrs import frozen

from parcae.spec import Lost, OnLost, Retry
from parcae.state import Job
from parcae.values import Cause, Error, mix

MICROSECOND = timedelta(microseconds=1)


@frozen
class Again:
    """Try again after ``delay``."""

    delay: timedelta


@frozen
class Stop:
    """Do not try again, for this reason; ``quarantine``: a person must look."""

    cause: Cause
    quarantine: bool = False


def delay(policy: Retry, burned: int, *seed: object) -> timedelta:
    """The wait after ``burned`` attempts: exponential, capped, less some jitter.

    The jitter depends on ``seed`` alone, so a repeated question has the same answer.
    """
    # Plain integers, because a timedelta overflows where backoff × factor ** burned is huge.
    wait: int = policy.backoff // MICROSECOND * policy.factor ** min(burned - 1, 60)
    wait = min(wait, policy.cap // MICROSECOND)
    share = mix("jitter", burned, *seed) % (policy.jitter * 1_000_000 + 1)
    return (wait - wait * share // 100_000_000) * MICROSECOND


def worth_it(policy: Retry, error: Error | None) -> bool:
    """Whether ``error`` leaves hope: neither it nor a class above it is given up on."""
    if error is None:
        return True
    names = {error.type, *error.mro}
    short = {name.rpartition(".")[2] for name in names}
    return not error.permanent and not (names | short) & set(policy.give_up_on)


def after_attempt(job: Job, cause: Cause, error: Error | None) -> Again | Stop:
    """What follows an attempt that was burned by ``cause``, which is not yet counted."""
    policy = job.spec.retry
    if cause is Cause.LEASE_LOST:
        stop = _after_loss(job.spec.on_lost, job.losses + 1)
        if stop is not None:
            return stop
    if not worth_it(policy, error):
        return Stop(cause)
    burned = job.attempts + 1
    if burned >= policy.max_attempts:
        exhausted = cause is Cause.HANDLER_ERROR and policy.max_attempts > 1
        return Stop(Cause.ATTEMPTS_EXHAUSTED if exhausted else cause)
    return Again(delay(policy, burned, job.spec.seed))


def _after_loss(policy: OnLost, losses: int) -> Stop | None:
    if policy.action is Lost.FAIL:
        return Stop(Cause.LEASE_LOST)
    if policy.action is Lost.QUARANTINE:
        return Stop(Cause.LEASE_LOST, quarantine=True)
    return Stop(Cause.POISON, quarantine=True) if losses > policy.times else None


def after_undo(policy: Retry, burned: int, error: Error | None, *seed: object) -> Again | Stop:
    """What follows a try of an undo, the ``burned``-th."""
    if burned >= policy.max_attempts or not worth_it(policy, error):
        return Stop(Cause.COMPENSATION_FAILED, quarantine=True)
    return Again(delay(policy, burned, "undo", *seed))
