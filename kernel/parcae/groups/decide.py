"""What becomes of a group, and when. It is driven by its members' ends, and by itself."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.errors import Reason, Rejected
from parcae.groups.events import (
    GroupCancelRequested,
    GroupEnded,
    GroupEvent,
    GroupOpened,
    GroupStopped,
    MemberEnded,
    MembersCancelled,
    MemberUndone,
    UndoSubmitted,
    UndoSurveyed,
)
from parcae.groups.evolve import evolve
from parcae.groups.state import Ended, Group, Open, Stopping, Undoing
from parcae.values import GroupId, Instant, JobId, Status

MAX_MEMBERS = 10_000
"""Of one group: they are admitted in one commit."""

_WORST = (Status.QUARANTINED, Status.FAILED, Status.COMPENSATED, Status.CANCELLED)
"""The outcomes of a group, the worst first; without any of them it is completed."""


def opened(event: GroupOpened, group_id: GroupId) -> tuple[GroupEvent, ...]:
    """The admission of a group; one without members ends at once.

    Raises:
        Rejected: too many members.
    """
    if not 0 <= event.size <= MAX_MEMBERS:
        message = f"expected a group of at most {MAX_MEMBERS} jobs, got {event.size}"
        raise Rejected(Reason.TOO_LARGE, message, command="SubmitGroup")
    group = evolve(group_id, None, event)
    return (event, *_next(group, event.at))


def member_ended(
    group: Group, job_id: JobId, outcome: Status, now: Instant
) -> tuple[GroupEvent, ...]:
    """A member, or the job that undoes one, has ended: told in the commit that ends it."""
    if isinstance(group.state, Ended):
        return ()
    undoing = isinstance(group.state, Undoing)
    kind = MemberUndone if undoing else MemberEnded
    event = kind(at=now, job_id=job_id, outcome=outcome)
    after = evolve(group.id, group, event)
    bad = outcome is not Status.COMPLETED
    if group.compensate and bad and isinstance(group.state, Open) and after.left:
        return event, GroupStopped(at=now, trigger=job_id)
    if group.compensate and bad and isinstance(group.state, Open):
        stop = GroupStopped(at=now, trigger=job_id)
        return event, stop, *_next(evolve(group.id, after, stop), now)
    return (event, *_next(after, now))


def cancel(group: Group, now: Instant, by: str, reason: str) -> tuple[GroupEvent, ...]:
    """Stop all members; asked twice, or too late, it does nothing."""
    if not isinstance(group.state, Open):
        return ()
    return GroupCancelRequested(at=now, by=by, reason=reason), GroupStopped(at=now)


def cancelled_up_to(group: Group, cursor: int, now: Instant) -> tuple[GroupEvent, ...]:
    """All members before ``cursor`` have ended or were asked to."""
    if not isinstance(group.state, Stopping):
        return ()
    return (MembersCancelled(at=now, cursor=cursor),)


def undo_next(
    group: Group, found: tuple[int, JobId] | None, cursor: int, now: Instant
) -> tuple[GroupEvent, ...]:
    """What was found to undo among the members from ``cursor`` on.

    Args:
        group: in :class:`~parcae.groups.state.Undoing`.
        found: the member and the job that undoes it; ``None``: none of them has anything.
        cursor: members from it on were looked at.
        now: the present instant.
    """
    if found is not None:
        member, job_id = found
        return (UndoSubmitted(at=now, member=member, job_id=job_id),)
    event = UndoSurveyed(at=now, cursor=cursor)
    return (event, *_next(evolve(group.id, group, event), now))


def _next(group: Group, now: Instant) -> Iterator[GroupEvent]:
    """How the group goes on by itself once all members have ended."""
    state = group.state
    if group.left:
        return
    if isinstance(state, Undoing):
        blocked = group.undone.get(Status.QUARANTINED, 0) > 0
        if state.job_id is None and (blocked or state.cursor == 0):
            yield GroupEnded(at=now, outcome=_outcome(group))
    elif isinstance(state, Stopping) and group.compensate and _may_undo(group):
        yield UndoSurveyed(at=now, cursor=group.size)
    else:
        yield GroupEnded(at=now, outcome=_outcome(group))


def _may_undo(group: Group) -> bool:
    """As within one job: what owes an undo to a person stands in the way of all before it."""
    quarantined = group.ended.get(Status.QUARANTINED, 0) > 0
    completed = group.ended.get(Status.COMPLETED, 0)
    # A cancel that came too late for every member has come too late.
    return not quarantined and 0 < completed < group.size


def _outcome(group: Group) -> Status:
    if group.ended.get(Status.COMPLETED, 0) == group.size:
        return Status.COMPLETED
    if group.undone.get(Status.QUARANTINED, 0):
        return Status.QUARANTINED
    if group.undone and not group.ended.get(Status.QUARANTINED, 0):
        return Status.COMPENSATED
    if group.cancelled and not group.ended.get(Status.QUARANTINED, 0) and group.compensate:
        return Status.COMPENSATED if group.ended.get(Status.COMPENSATED, 0) else Status.CANCELLED
    return next((status for status in _WORST if group.ended.get(status, 0)), Status.COMPLETED)
