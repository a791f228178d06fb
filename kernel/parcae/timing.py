"""What falls due for a job, and when; whether its durations fit together is asked of `check`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import IntEnum

from attrs import frozen

from parcae.queues import Queue
from parcae.spec import Retry, Timing
from parcae.state import Compensating, Ended, Job, Liveness, Pending, Running, Scheduled
from parcae.values import MAX_DURATION, Instant, seconds


class DueKind(IntEnum):
    """What can fall due; at the same instant the lower goes first (rule 2 of the lifecycle)."""

    DEADLINE = 1
    CANCEL_GRACE = 2
    TIMEOUT = 3
    LEASE = 4
    STALE = 5


@frozen
class Due:
    """Something that falls due at ``at``."""

    at: Instant
    kind: DueKind


def next_due(job: Job, liveness: Liveness | None, queue: Queue | None = None) -> Due | None:
    """What falls due first, or has; ``None``: nothing will.

    Args:
        job: the job.
        liveness: beside it.
        queue: what is set for its queue: nothing grows stale while that is paused.
    """
    dues = _dues(job, liveness, queue)
    return min(dues, key=lambda due: (due.at, due.kind), default=None)


def expired(liveness: Liveness | None, now: Instant) -> bool:
    """Whether the lease has run out: from its very expiry on, reclaimed or not (S24)."""
    return liveness is None or liveness.expires_at <= now


def timed_out(job: Job, now: Instant) -> bool:
    """Whether the attempt, or the undo in work, is past its hard timeout."""
    lease = job.lease
    return lease is not None and lease.since + _hard_timeout(job) <= now


def past_deadline(job: Job, now: Instant) -> bool:
    """Whether forward work is too late."""
    return job.deadline is not None and job.deadline <= now


def stale_at(job: Job, queue: Queue | None = None) -> Instant | None:
    """From when on a job that waits to start has waited too long; ``None``: never, or not yet.

    It counts from when the job became due, or from when its queue was last resumed (rule 2).
    """
    state, patience = job.state, job.spec.timing.stale_after
    if not isinstance(state, Scheduled) or patience is None:
        return None
    if queue is None:
        return state.since + patience
    return None if queue.paused else max(state.since, queue.resumed_at or state.since) + patience


def look_again_at(job: Job, queue: Queue | None, now: Instant) -> Instant | None:
    """When to look again at a job whose patience rests while its queue is paused.

    Nobody goes through all jobs of a queue that is resumed; but none can have waited too long
    before a whole patience has passed.
    """
    state, patience = job.state, job.spec.timing.stale_after
    rests = isinstance(state, Scheduled) and queue is not None and queue.paused
    return now + patience if rests and patience is not None else None


def closes_at(job: Job, queue: Queue | None = None) -> Instant | None:
    """From when on a job that waits to start is too late for it; ``None``: never.

    So that it does not matter whether the reconciler or a claimer comes first (S30).
    """
    if not isinstance(job.state, Scheduled):
        return None
    bounds = (job.deadline, stale_at(job, queue))
    return min((bound for bound in bounds if bound is not None), default=None)


def too_late(job: Job, now: Instant, queue: Queue | None = None) -> bool:
    """Whether ``job`` waits to start but is too late for it; undos are never too late."""
    bound = closes_at(job, queue)
    return bound is not None and bound <= now


def _hard_timeout(job: Job) -> timedelta:
    timing = job.spec.timing
    return timing.undo if isinstance(job.state, Compensating) else timing.attempt


def _dues(job: Job, liveness: Liveness | None, queue: Queue | None) -> Iterator[Due]:
    state, timing = job.state, job.spec.timing
    if isinstance(state, Ended):
        return
    if isinstance(state, Pending | Scheduled | Running) and job.deadline is not None:
        yield Due(job.deadline, DueKind.DEADLINE)
    stale = stale_at(job, queue)
    if stale is not None:
        yield Due(stale, DueKind.STALE)
    if isinstance(state, Running) and state.cancel is not None:
        yield Due(state.cancel.at + timing.cancel_grace, DueKind.CANCEL_GRACE)
    if job.lease is not None:
        yield Due(job.lease.since + _hard_timeout(job), DueKind.TIMEOUT)
        yield Due(liveness.expires_at if liveness else job.lease.expires_at, DueKind.LEASE)


@frozen(kw_only=True)
class Finding:
    """Two durations that do not fit together.

    Attributes:
        rule: its short name.
        error: it will go wrong; otherwise it may.
        message: what is wrong, with both numbers, and why it hurts.
        fix: the smallest change that mends it, or several, of which each does.
    """

    rule: str
    error: bool
    message: str
    fix: str


MARGIN = seconds(10)
"""How much longer than an attempt whatever waits for it should be."""
SECOND = seconds(1)
"""What a fix adds or takes off: a person writes whole seconds."""


def check(
    timing: Timing,
    *,
    retry: Retry | None = None,
    expected: timedelta | None = None,
    rerun: timedelta | None = None,
    drain: timedelta | None = None,
    stop: timedelta | None = None,
    uninterruptible: bool = False,
) -> tuple[Finding, ...]:
    """What does not fit together in ``timing`` (rule 9 of the lifecycle).

    Args:
        timing: the durations of one kind of job.
        retry: how its attempts are repeated.
        expected: how long an attempt takes when all is well.
        rerun: after how long something else would run the work again, where something does.
        drain: how long a stopping worker waits for its handlers, where that is bounded.
        stop: how long the system lets a worker stop before it kills it.
        uninterruptible: its handlers must not be cut off.
    """
    return (
        *_lease_and_attempt(timing, expected, rerun),
        *_waiting(timing, retry),
        *_stopping(timing, drain, stop, uninterruptible),
    )


def _lease_and_attempt(
    timing: Timing, expected: timedelta | None, rerun: timedelta | None
) -> Iterator[Finding]:
    if timing.renewal * 3 > timing.lease:
        yield Finding(
            rule="renewal",
            error=True,
            message=f"renewal every {timing.renewal}, but the lease lasts only {timing.lease}: "
            "one or two lost renewals lose the job",
            fix=_either(renewal=timing.lease // 3, lease=timing.renewal * 3),
        )
    if expected is not None and expected >= timing.attempt:
        yield Finding(
            rule="expected",
            error=True,
            message=f"an attempt is expected to take {expected}, but may last only "
            f"{timing.attempt}: it would be timed out although all is well",
            fix=_either(attempt=expected + SECOND),
        )
    longest = timing.attempt + MARGIN
    if rerun is not None and longest >= rerun:
        yield Finding(
            rule="rerun",
            error=True,
            message=f"an attempt may last {timing.attempt} (and {MARGIN} of margin), but the work "
            f"is run again after {rerun}: it would run twice at once",
            fix=_either(attempt=rerun - MARGIN - SECOND, rerun=longest + SECOND),
        )


def _waiting(timing: Timing, retry: Retry | None) -> Iterator[Finding]:
    longest, stale = timing.attempt + MARGIN, timing.stale_after
    if stale is not None and longest >= stale:
        yield Finding(
            rule="stale",
            error=False,
            message=f"an attempt may last {timing.attempt} (and {MARGIN} of margin), but a job "
            f"that waits {stale} to start is given up: one that waits for the slot of another "
            "may be, though both are well",
            fix=_either(attempt=stale - MARGIN - SECOND, stale_after=longest + SECOND),
        )
    deadline = timing.deadline
    if retry is None or deadline is None:
        return
    wanted = _longest(timing, retry, retry.max_attempts)
    if wanted > deadline:
        fits = _attempts_that_fit(timing, retry, deadline)
        # What is longer than any deadline may be needs none at all.
        longer = _either(deadline=wanted) or "deadline=None"
        fewer = f" or max_attempts={fits}" if fits else ""
        yield Finding(
            rule="deadline",
            error=False,
            message=f"{retry.max_attempts} attempts and the waits between them may take {wanted}, "
            f"but the deadline is {deadline} after admission: the last ones would not be made",
            fix=f"{longer}{fewer}",
        )


def _longest(timing: Timing, retry: Retry, attempts: int) -> timedelta:
    """How long so many attempts may take, and the waits between them; jitter only shortens."""
    total, wait = timing.attempt * attempts, retry.backoff
    for burned in range(1, attempts):
        wait = min(wait, retry.cap)
        total += wait
        if wait == retry.cap or retry.factor == 1 or not wait:
            return total + wait * (attempts - 1 - burned)
        wait *= retry.factor
    return total


def _attempts_that_fit(timing: Timing, retry: Retry, deadline: timedelta) -> int:
    """The greatest number of attempts that fit the deadline; 0: not even one does."""
    least, most = 0, retry.max_attempts
    while least < most:
        middle = (least + most + 1) // 2
        if _longest(timing, retry, middle) <= deadline:
            least = middle
        else:
            most = middle - 1
    return least


def _stopping(
    timing: Timing, drain: timedelta | None, stop: timedelta | None, uninterruptible: bool
) -> Iterator[Finding]:
    longest = timing.attempt + MARGIN
    if drain is not None and drain <= timing.attempt:
        yield Finding(
            rule="drain",
            error=uninterruptible,
            message=f"a stopping worker waits {drain}, but an attempt may last {timing.attempt}: "
            + ("it would be cut off" if uninterruptible else "the rest is released"),
            fix=_either(drain=timing.attempt + SECOND, attempt=drain - SECOND),
        )
    if stop is not None and stop <= longest:
        yield Finding(
            rule="stop",
            error=uninterruptible,
            message=f"a worker is killed {stop} after it was told to stop, but an attempt may last "
            f"{timing.attempt} (and {MARGIN} of margin): "
            + ("it would be cut off" if uninterruptible else "what is still at work is lost"),
            fix=_either(stop=longest + SECOND, attempt=stop - MARGIN - SECOND),
        )


def _either(**changes: timedelta) -> str:
    """The changes that mend it, each by itself; what cannot be a duration is none."""
    least, most = timedelta(0), MAX_DURATION
    lawful = {name: value for name, value in changes.items() if least < value <= most}
    return " or ".join(f"{name}={value}" for name, value in lawful.items())
