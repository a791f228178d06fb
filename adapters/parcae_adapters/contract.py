"""What every store holds a change to before it writes, whatever its rows look like.

The kernel chooses transitions; this is the second fence around what it chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from parcae.change import Change
from parcae.effects import Effect, Offer, Remind
from parcae.errors import Conflict, Reason, Rejected
from parcae.events import Annotated, Deleted, LateResultRecorded
from parcae.state import Compensating, Ended, Job, Stored
from parcae.values import Instant, JobId, Version

EVIDENCE = (Annotated, LateResultRecorded, Deleted)
"""The only events that may follow a terminal one."""

Find = Callable[[JobId], Stored | None]


def check(changes: Iterable[Change], find: Find) -> None:
    """Refuse ``changes`` as a whole unless each fits to what is stored, and to those before it.

    Raises:
        Conflict: a change was made for another version than the stored one.
        Rejected: a change would touch the outcome of an ended job, or does not fit to itself.
    """
    after: dict[JobId, Job | None] = {}
    for change in changes:
        if change.idle:
            continue
        if change.job_id in after:
            before = after[change.job_id]
        else:
            stored = find(change.job_id)
            before = None if stored is None else stored.job
        _check(before, change)
        after[change.job_id] = change.job


def _check(before: Job | None, change: Change) -> None:
    version = Version(0) if before is None else before.version
    if change.before != version:
        raise Conflict(
            Reason.MOVED_ON,
            f"job {change.job_id} is at version {version}, the change was made at {change.before}",
        )
    if before is not None and isinstance(before.state, Ended):
        _check_ended(before, before.state, change)
    job = change.job
    if job is None and not any(isinstance(event, Deleted) for event in change.events):
        raise _refused(before, change, "a job goes by Deleted only")
    if job is not None and job.version != version + len(change.events):
        raise _refused(before, change, f"{len(change.events)} events do not lead to {job.version}")
    if job is not None and job.lease is None and change.liveness is not None:
        raise _refused(before, change, "there is liveness, but no lease")


def _check_ended(before: Job, end: Ended, change: Change) -> None:
    if not all(isinstance(event, EVIDENCE) for event in change.events):
        raise _refused(before, change, "it has ended: only evidence, notes and Deleted may follow")
    if change.job is not None and change.job.state != end:
        raise _refused(before, change, f"it ended as {end.status}, which never changes")


def _refused(before: Job | None, change: Change, why: str) -> Rejected:
    return Rejected(
        Reason.UNLAWFUL,
        f"change of job {change.job_id} refused by the store: {why}",
        status=before.status if before else None,
    )


def turn(job: Job) -> tuple[bool, int, int, JobId]:
    """Where a claimer meets ``job``: undos first, then priority, then place in line."""
    undo = isinstance(job.state, Compensating)
    return (not undo, -job.spec.priority, job.place, job.id)


def owed(effects: Iterable[Effect]) -> tuple[Offer | None, Instant | None]:
    """What a store keeps of ``effects``: when the job is offered, and when it falls due."""
    offer: Offer | None = None
    remind: Instant | None = None
    for effect in effects:
        if isinstance(effect, Offer):
            offer = effect
        elif isinstance(effect, Remind):
            remind = effect.at
    return offer, remind
