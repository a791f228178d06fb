"""What every store holds a change to before it writes, whatever its rows look like.

The kernel chooses transitions; this is the second fence around what it chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import evolve as replace

from parcae.change import Change, Revision
from parcae.deliveries import DeliveryDeleted
from parcae.effects import Effect, Offer, Remind
from parcae.errors import Conflict, Reason, Rejected
from parcae.events import Annotated, Deleted, LateResultRecorded
from parcae.queues import Queue
from parcae.saga import resume
from parcae.state import Compensating, Ended, Job, Scheduled, Stored
from parcae.values import Instant, JobId, StreamId, Version, instant

EVIDENCE = (Annotated, LateResultRecorded, Deleted)
"""The only events that may follow a terminal one."""

Find = Callable[[JobId], Stored | None]
Reached = Callable[[StreamId], Version]
"""How many events a queue, a group or a schedule has, one that is gone included; 0: none."""


def split(
    result: Iterable[Change | Revision],
) -> tuple[tuple[Change, ...], tuple[Revision, ...]]:
    """What a rule made of jobs, and what of queues, groups and schedules, each in its order."""
    made = tuple(result)
    changes = tuple(one for one in made if isinstance(one, Change))
    return changes, tuple(one for one in made if isinstance(one, Revision))


def check(result: Iterable[Change | Revision], find: Find, reached: Reached) -> None:
    """Refuse ``result`` as a whole unless each fits to what is stored, and to those before it.

    Args:
        result: what the rule gave back.
        find: the stored job of a name.
        reached: the stored version of any other stream.

    Raises:
        Conflict: a change was made for another version than the stored one.
        Rejected: a change would touch the outcome of an ended job, or does not fit to itself.
    """
    changes, revisions = split(result)
    _check_changes(changes, find)
    versions: dict[StreamId, Version] = {}
    for one in revisions:
        stored = versions[one.stream] if one.stream in versions else reached(one.stream)
        _check_revision(stored, one)
        versions[one.stream] = Version(stored + len(one.events))


def _check_changes(changes: Iterable[Change], find: Find) -> None:
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


def _check_revision(stored: Version, one: Revision) -> None:
    if one.before != stored:
        message = f"{one.stream} is at version {stored}, the revision was made at {one.before}"
        raise Conflict(Reason.MOVED_ON, message)
    if one.after is None:
        gone = bool(one.events) and isinstance(one.events[-1], DeliveryDeleted)
        fault = None if gone else "it goes by DeliveryDeleted only"
    else:
        fits = one.after.version == stored + len(one.events)
        fault = None if fits else f"{len(one.events)} events do not lead to {one.after.version}"
    if fault is not None:
        message = f"revision of {one.stream} refused by the store: {fault}"
        raise Rejected(Reason.UNLAWFUL, message)


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


def lawful(
    stored: Stored,
    kept: tuple[Offer | None, Instant | None],
    queue: Queue | None,
    *,
    waited_for: bool,
) -> bool:
    """Whether a store may keep ``kept`` of a job, as :func:`owed` says it.

    Args:
        stored: the job.
        kept: when it is offered, and when it falls due.
        queue: what is set for its queue now, which may be otherwise than when that was written.
        waited_for: pending jobs wait for its end.
    """
    offer, remind = kept
    if isinstance(stored.job.state, Ended):
        # Those who waited may have ended meanwhile: the reminder goes when it is looked at.
        return offer is None and (remind is not None or not waited_for)
    least = owed(resume(stored))
    if kept in (least, owed(resume(stored, queue))):
        return True
    if queue is None or remind is None or not _rested(stored.job, queue):
        return False
    wanted = least[0]
    return offer is not None and wanted is not None and _open(offer) == _open(wanted)


def _open(offer: Offer) -> Offer:
    return replace(offer, until=None)


def _rested(job: Job, queue: Queue) -> bool:
    """Whether its patience rests, or has rested: it may begin anew whenever it is looked at."""
    impatient = isinstance(job.state, Scheduled) and job.spec.timing.stale_after is not None
    return impatient and (queue.paused or queue.resumed_at is not None)


def ending_cursor(at: Instant, job_id: JobId) -> str:
    """Where a page of ended jobs ended, as text: the end's instant and the job's name."""
    return f"{at.isoformat()} {job_id}"


def ending_place(cursor: str) -> tuple[Instant, JobId] | None:
    """What :func:`ending_cursor` made; ``None``: from the first on.

    Raises:
        ValueError: nothing that it made.
    """
    if not cursor:
        return None
    at, _, name = cursor.partition(" ")
    return instant(Instant.fromisoformat(at)), JobId(name)
