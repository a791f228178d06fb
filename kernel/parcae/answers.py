"""What a use case answers."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from parcae.errors import LeaseLost
from parcae.state import Job, Lease
from parcae.values import Cause, GroupId, Instant, JobId, Status


@frozen(kw_only=True)
class Admitted:
    """The job is in the store.

    Attributes:
        job_id: its name.
        duplicate: the key was seen before, or the constraint holds: this is the job that stands
            for it.
        deleted: that job has ended since, and retention has removed it.
    """

    job_id: JobId
    duplicate: bool = False
    deleted: bool = False


@frozen(kw_only=True)
class GroupAdmitted:
    """The group is in the store, with all its members.

    Attributes:
        group_id: its name.
        jobs: its members, in their order.
        duplicate: the idempotency key was seen before: this is the group it admitted then.
    """

    group_id: GroupId
    jobs: tuple[JobId, ...]
    duplicate: bool = False


@frozen(kw_only=True)
class Granted:
    """A claim was granted: the job as it is now, and the lease on it."""

    job: Job
    lease: Lease
    expires_at: Instant


@frozen(kw_only=True)
class Renewed:
    """The lease now lasts until ``expires_at``; ``cancel_requested``: the handler should stop."""

    expires_at: Instant
    cancel_requested: bool = False


@frozen(kw_only=True)
class Accepted:
    """The command was taken; the job then had this status."""

    job_id: JobId
    status: Status


class CancelOutcome(StrEnum):
    """What a request for a cancel came to."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    COMPENSATING = "compensating"
    ALREADY_ENDED = "already ended"


@frozen(kw_only=True)
class CancelAnswer:
    """The truth about a cancel: what it came to, the job's status now, and why it is in it."""

    job_id: JobId
    outcome: CancelOutcome
    status: Status
    cause: Cause | None = None


@frozen(kw_only=True)
class Reconciled:
    """What the reconciler did to one job: its status before and after, and the last cause."""

    job_id: JobId
    before: Status
    after: Status
    cause: Cause | None = None


@frozen(kw_only=True)
class Deletion:
    """The job is gone."""

    job_id: JobId


Answer = Admitted | Granted | Renewed | Accepted | CancelAnswer | Reconciled | Deletion | LeaseLost
"""``LeaseLost`` is an answer where a stale result was kept as evidence: raised after the commit."""
