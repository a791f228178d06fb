"""What falls due for a job, and when; and whether its durations fit together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import IntEnum

from attrs import frozen

from parcae.spec import Timing
from parcae.state import Compensating, Ended, Job, Liveness, Pending, Running, Scheduled
from parcae.values import Instant, seconds


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


def next_due(job: Job, liveness: Liveness | None) -> Due | None:
    """What falls due first, or has; ``None``: nothing will."""
    return min(_dues(job, liveness), key=lambda due: (due.at, due.kind), default=None)


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


def closes_at(job: Job) -> Instant | None:
    """From when on a job that waits to start is too late for it; ``None``: never.

    So that it does not matter whether the reconciler or a claimer comes first (S30).
    """
    state, patience = job.state, job.spec.timing.stale_after
    if not isinstance(state, Scheduled):
        return None
    bounds = (job.deadline, None if patience is None else state.since + patience)
    return min((bound for bound in bounds if bound is not None), default=None)


def too_late(job: Job, now: Instant) -> bool:
    """Whether ``job`` waits to start but is too late for it; undos are never too late."""
    bound = closes_at(job)
    return bound is not None and bound <= now


def _hard_timeout(job: Job) -> timedelta:
    timing = job.spec.timing
    return timing.undo if isinstance(job.state, Compensating) else timing.attempt


def _dues(job: Job, liveness: Liveness | None) -> Iterator[Due]:
    state, timing = job.state, job.spec.timing
    if isinstance(state, Ended):
        return
    if isinstance(state, Pending | Scheduled | Running) and job.deadline is not None:
        yield Due(job.deadline, DueKind.DEADLINE)
    if isinstance(state, Scheduled) and timing.stale_after is not None:
        yield Due(state.since + timing.stale_after, DueKind.STALE)
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
        message: what is wrong, with both numbers.
        fix: a change that mends it, or several, of which each does.
    """

    rule: str
    error: bool
    message: str
    fix: str


MARGIN = seconds(10)
"""How much longer than an attempt whatever waits for it should be."""


def check(
    timing: Timing,
    *,
    rerun: timedelta | None = None,
    drain: timedelta | None = None,
    uninterruptible: bool = False,
) -> tuple[Finding, ...]:
    """What does not fit together in ``timing`` (rule 9 of the lifecycle).

    Args:
        timing: the durations of one kind of job.
        rerun: after how long something else would run the work again, where something does.
        drain: how long a stopping worker waits for its handlers, where that is bounded.
        uninterruptible: its handlers must not be cut off.
    """
    return tuple(_findings(timing, rerun, drain, uninterruptible))


def _findings(
    timing: Timing,
    rerun: timedelta | None,
    drain: timedelta | None,
    uninterruptible: bool,
) -> Iterator[Finding]:
    if timing.renewal * 3 > timing.lease:
        yield Finding(
            rule="renewal",
            error=True,
            message=f"renewal every {timing.renewal}, but the lease lasts only {timing.lease}: "
            "one or two lost renewals lose the job",
            fix=_either(renewal=timing.lease // 3, lease=timing.renewal * 3),
        )
    longest = timing.attempt + MARGIN
    if rerun is not None and longest >= rerun:
        yield Finding(
            rule="rerun",
            error=True,
            message=f"an attempt may last {timing.attempt} (and {MARGIN} of margin), but the work "
            f"is run again after {rerun}: it would run twice at once",
            fix=_either(attempt=rerun - MARGIN * 2, rerun=longest + MARGIN),
        )
    if drain is not None and drain <= timing.attempt:
        yield Finding(
            rule="drain",
            error=uninterruptible,
            message=f"a stopping worker waits {drain}, but an attempt may last {timing.attempt}: "
            + ("it would be cut off" if uninterruptible else "the rest is released"),
            fix=_either(drain=longest, attempt=drain // 2),
        )


def _either(**changes: timedelta) -> str:
    """The changes that mend it, each by itself; what cannot be a duration is none."""
    lawful = {name: value for name, value in changes.items() if value > timedelta(0)}
    return " or ".join(f"{name}={value}" for name, value in lawful.items())
