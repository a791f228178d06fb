"""What has happened to one job. Past tense; immutable; stored for ever.

Every event has ``at``, the instant at which it was decided. ``answers`` stands on the last event
of a decision that took a worker's result: by it a repeat of that result is known for one.
"""

from __future__ import annotations

from attrs import frozen

from parcae.commands import Report, ReportKind
from parcae.shape import Reshaped
from parcae.spec import Carried, Owed, Spec
from parcae.values import Blob, Cause, Error, Instant, JobId, Place, Status, Token, WorkerId


@frozen(kw_only=True)
class CancelRequest:
    """Who asked for a cancel, when and why; ``force``: without waiting for the handler."""

    at: Instant
    by: str = ""
    reason: str = ""
    force: bool = False


@frozen(kw_only=True)
class Submitted:
    """The job was admitted.

    ``fence`` is the expiry of a lease of the origin that was fenced off while its handler could
    still be alive: the new job remembers it, for it may itself be taken up before that.
    """

    at: Instant
    spec: Spec
    carried: tuple[Carried, ...] = ()
    fence: Instant | None = None


@frozen(kw_only=True)
class DependencySettled:
    """A job that this one depends on has ended; ``met``: well enough for this one."""

    at: Instant
    parent: JobId
    outcome: Status
    met: bool


@frozen(kw_only=True)
class Scheduled:
    """The job got its place in line; it may start at ``run_at``."""

    at: Instant
    run_at: Instant
    place: Place


@frozen(kw_only=True)
class Started:
    """A worker claimed the job. ``expires_at``: the lease's first expiry."""

    at: Instant
    token: Token
    worker: WorkerId
    request: str
    expires_at: Instant


@frozen(kw_only=True)
class PhaseStarted:
    """A phase began."""

    at: Instant
    token: Token
    phase: str


@frozen(kw_only=True)
class PhaseCompleted:
    """A phase was done; its result lies in the blob."""

    at: Instant
    token: Token
    phase: str
    result: Blob | None = None
    answers: Report | None = None


@frozen(kw_only=True)
class CancelRequested:
    """Somebody asked the running or compensating job to stop."""

    at: Instant
    request: CancelRequest


@frozen(kw_only=True)
class RetryScheduled:
    """An attempt was burned; another begins at ``run_at`` or later, from a new place in line.

    ``interrupted`` names the phase that was cut off and may have happened; ``fence`` is the expiry
    of a lease that was fenced off while its handler could still be alive.
    """

    at: Instant
    run_at: Instant
    place: Place
    cause: Cause
    error: Error | None = None
    interrupted: str | None = None
    fence: Instant | None = None
    reconciled: bool = False
    answers: Report | None = None


@frozen(kw_only=True)
class Released:
    """The lease was given back; the job keeps its place.

    ``voluntary``: in a shutdown, which is counted; otherwise the result of a phase came after the
    lease's expiry. ``burned``: one release too many, so an attempt is burned. ``lacks``: what its
    worker lacked to run it, where that is why.
    """

    at: Instant
    voluntary: bool
    burned: bool = False
    interrupted: str | None = None
    answers: Report | None = None
    lacks: str = ""


@frozen(kw_only=True)
class Completed:
    """All phases are done. ``overtook``: a cancel had been requested and came too late."""

    at: Instant
    overtook: bool = False
    answers: Report | None = None


@frozen(kw_only=True)
class Failed:
    """The job ended badly and owes no undo.

    ``reconciled``: the reconciler established it; ``burned_by``: how the last attempt ended, where
    that burned it: a cancel or a deadline may be why no other follows.
    """

    at: Instant
    cause: Cause
    reconciled: bool = False
    burned_by: Cause | None = None
    error: Error | None = None
    interrupted: str | None = None
    fence: Instant | None = None
    answers: Report | None = None


@frozen(kw_only=True)
class Cancelled:
    """The job ended because somebody asked for it, and owes no undo."""

    at: Instant
    cause: Cause
    reconciled: bool = False
    burned_by: Cause | None = None
    error: Error | None = None
    interrupted: str | None = None
    fence: Instant | None = None
    request: CancelRequest | None = None
    answers: Report | None = None


@frozen(kw_only=True)
class CompensationBegan:
    """The job will not complete; ``undos`` are done in this order, from ``ready_at`` on.

    ``overlap``: somebody forced it, so that an undo may run beside a living handler.
    """

    at: Instant
    cause: Cause
    undos: tuple[Owed, ...]
    ready_at: Instant
    reconciled: bool = False
    burned_by: Cause | None = None
    error: Error | None = None
    interrupted: str | None = None
    fence: Instant | None = None
    overlap: bool = False
    request: CancelRequest | None = None
    answers: Report | None = None


@frozen(kw_only=True)
class CompensationClaimed:
    """A worker took the job in order to undo."""

    at: Instant
    token: Token
    worker: WorkerId
    request: str
    expires_at: Instant


@frozen(kw_only=True)
class UndoStarted:
    """The undo of a phase began."""

    at: Instant
    token: Token
    phase: str


@frozen(kw_only=True)
class UndoCompleted:
    """A phase is undone."""

    at: Instant
    token: Token
    phase: str
    answers: Report | None = None


@frozen(kw_only=True)
class UndoRetryScheduled:
    """An undo raised; it is tried again at ``ready_at`` or later."""

    at: Instant
    phase: str
    ready_at: Instant
    error: Error
    answers: Report | None = None


@frozen(kw_only=True)
class CompensationReleased:
    """The undo lease was given back; ``voluntary``, ``burned`` and ``lacks`` as in `Released`."""

    at: Instant
    voluntary: bool
    burned: bool = False
    answers: Report | None = None
    lacks: str = ""


@frozen(kw_only=True)
class CompensationLost:
    """The undo lease was lost or timed out, which burned a try of the undo it was for."""

    at: Instant
    cause: Cause
    ready_at: Instant
    fence: Instant | None = None


@frozen(kw_only=True)
class Compensated:
    """Everything that needed undoing is undone."""

    at: Instant
    answers: Report | None = None


@frozen(kw_only=True)
class Quarantined:
    """A person must look.

    ``owed`` says what is not undone; ``trigger`` what had ended the job, where ``cause`` says why
    that could not be handled.
    """

    at: Instant
    cause: Cause
    owed: tuple[Owed, ...] = ()
    trigger: Cause | None = None
    reconciled: bool = False
    burned_by: Cause | None = None
    error: Error | None = None
    interrupted: str | None = None
    fence: Instant | None = None
    request: CancelRequest | None = None
    answers: Report | None = None


@frozen(kw_only=True)
class Migrated:
    """The job took the shape that its definition has today; nothing it did was lost by it.

    ``phases`` of its new shape are those that go by the same name (``goes_by``) in the one before,
    and new ones.
    """

    at: Instant
    shape: Reshaped
    by: str = ""


@frozen(kw_only=True)
class Annotated:
    """Somebody added a note."""

    at: Instant
    by: str
    note: str


@frozen(kw_only=True)
class LateResultRecorded:
    """A fenced-off worker reported this: evidence, of no other consequence."""

    at: Instant
    token: Token
    kind: ReportKind
    phase: str | None = None
    error: Error | None = None
    result: Blob | None = None


@frozen(kw_only=True)
class Deleted:
    """Retention removed the job and its history."""

    at: Instant


Event = (
    Submitted
    | DependencySettled
    | Scheduled
    | Started
    | PhaseStarted
    | PhaseCompleted
    | CancelRequested
    | RetryScheduled
    | Released
    | Completed
    | Failed
    | Cancelled
    | CompensationBegan
    | CompensationClaimed
    | UndoStarted
    | UndoCompleted
    | UndoRetryScheduled
    | CompensationReleased
    | CompensationLost
    | Compensated
    | Quarantined
    | Migrated
    | Annotated
    | LateResultRecorded
    | Deleted
)
