"""What has happened to a group."""

from __future__ import annotations

from attrs import frozen

from parcae.values import Instant, JobId, Status


@frozen(kw_only=True)
class GroupOpened:
    """The group was admitted, with all its members, in one commit."""

    at: Instant
    seed: int
    size: int
    compensate: bool = False
    label: str = ""


@frozen(kw_only=True)
class MemberEnded:
    """A member has ended, in the same commit."""

    at: Instant
    job_id: JobId
    outcome: Status


@frozen(kw_only=True)
class GroupCancelRequested:
    """Somebody asked for a cancel of all of it."""

    at: Instant
    by: str = ""
    reason: str = ""


@frozen(kw_only=True)
class GroupStopped:
    """What has not ended is to be cancelled; ``trigger``: for this member ended badly."""

    at: Instant
    trigger: JobId | None = None


@frozen(kw_only=True)
class MembersCancelled:
    """Every member before ``cursor`` has ended, or was asked to."""

    at: Instant
    cursor: int


@frozen(kw_only=True)
class UndoSurveyed:
    """No member from ``cursor`` on has anything left to undo."""

    at: Instant
    cursor: int


@frozen(kw_only=True)
class UndoSubmitted:
    """Job ``job_id`` undoes what the member at ``member`` did."""

    at: Instant
    member: int
    job_id: JobId


@frozen(kw_only=True)
class MemberUndone:
    """The job that undid a member has ended."""

    at: Instant
    job_id: JobId
    outcome: Status


@frozen(kw_only=True)
class GroupEnded:
    """All members have ended, and everything that was to be undone is undone, or owed."""

    at: Instant
    outcome: Status


GroupEvent = (
    GroupOpened
    | MemberEnded
    | GroupCancelRequested
    | GroupStopped
    | MembersCancelled
    | UndoSurveyed
    | UndoSubmitted
    | MemberUndone
    | GroupEnded
)
