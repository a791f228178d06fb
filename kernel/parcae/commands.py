"""What can be asked of one job. Imperative; every command may be refused, none is remembered."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from attrs import field, frozen

from parcae.shape import Moves, Shape
from parcae.spec import Carried, Spec
from parcae.values import (
    MAX_NAME,
    MAX_NOTE,
    Blob,
    Error,
    Instant,
    JobId,
    Status,
    Token,
    WorkerId,
    cut,
    optional_instant,
    valid_label,
    valid_name,
)


def _note(text: object) -> str:
    return cut(str(text), MAX_NOTE)


def _short(text: object) -> str:
    return cut(str(text), MAX_NAME)


@frozen(kw_only=True)
class Submit:
    """Admit a job.

    Attributes:
        spec: what it is asked to be.
        carried: phases taken over from the origin.
        not_before: no earlier than this, whatever the spec says: the expiry of a lease of the
            origin that was fenced off while its handler could still be alive.
        settled: those that it depends on and that have ended already, and how.
        handed_in: somebody was promised its admission before: that its deadline has passed
            meanwhile is no reason to refuse it, but one to end it.
    """

    spec: Spec
    carried: tuple[Carried, ...] = ()
    not_before: Instant | None = None
    settled: tuple[tuple[JobId, Status], ...] = ()
    handed_in: bool = False


@frozen(kw_only=True)
class SettleDependency:
    """Tell a pending job that one it depends on has ended."""

    parent: JobId
    outcome: Status


@frozen(kw_only=True)
class Claim:
    """Take the job for a worker.

    Attributes:
        worker: who asks.
        request: a key of this very request: a repeated claim gets the same lease.
    """

    worker: WorkerId = field(validator=valid_name)
    request: str = field(validator=valid_name)


@frozen(kw_only=True)
class Progress:
    """How far a handler says it is.

    Attributes:
        done: units done.
        total: units in all, where known.
        note: a short word about it.
    """

    done: int = 0
    total: int | None = None
    note: str = field(default="", converter=_short)


@frozen(kw_only=True)
class Renew:
    """Extend the lease: the worker is alive."""

    token: Token
    progress: Progress | None = None


@frozen(kw_only=True)
class StartPhase:
    """Ask leave to begin a phase."""

    token: Token
    phase: str


@frozen(kw_only=True)
class CompletePhase:
    """Report that a phase is done. The last one completes the job."""

    token: Token
    phase: str
    result: Blob | None = None


@frozen(kw_only=True)
class Fail:
    """Report that the handler raised.

    Attributes:
        token: under which lease.
        error: what it raised.
        final: the host runs the job on a queue of its own, which has no retry left for it.
        retry_at: when that queue will try again, in place of what the policy says.
    """

    token: Token
    error: Error
    final: bool = False
    retry_at: Instant | None = field(default=None, converter=optional_instant)


@frozen(kw_only=True)
class Release:
    """Give the job back: its worker shuts down. A phase or undo in work was cut off.

    Attributes:
        token: the lease.
        lacks: what the worker lacks to run this job, if that is why; in words.
    """

    token: Token
    lacks: str = field(default="", converter=_note)


@frozen(kw_only=True)
class ConfirmCancel:
    """Report that the handler has stopped because a cancel was requested."""

    token: Token


@frozen(kw_only=True)
class StartUndo:
    """Ask leave to begin the undo of a phase."""

    token: Token
    phase: str


@frozen(kw_only=True)
class CompleteUndo:
    """Report that a phase is undone. The last one ends the job."""

    token: Token
    phase: str


@frozen(kw_only=True)
class FailUndo:
    """Report that an undo raised."""

    token: Token
    phase: str
    error: Error


@frozen(kw_only=True)
class Cancel:
    """Ask that the job does not go on.

    Attributes:
        by: who asks.
        reason: why, in a person's words.
        force: do not wait for the handler: fence it off now, even if it may still be alive.
    """

    by: str = field(default="", validator=valid_label)
    reason: str = field(default="", converter=_note)
    force: bool = False


@frozen(kw_only=True)
class Quarantine:
    """Put a job that nobody holds before a person: its definition has changed under it.

    Attributes:
        by: who asks.
        reason: what has changed, in words.
    """

    by: str = field(default="", validator=valid_label)
    reason: str = field(default="", converter=_note)


@frozen(kw_only=True)
class Migrate:
    """Give a job that nobody holds the shape that its definition has today.

    Attributes:
        was: the shape for which the moves were found: a job that has another is left alone.
        now: the shape of today.
        moves: what the phases of the one have become in the other.
        by: who asks.
    """

    was: Shape
    now: Shape
    moves: Moves = field(factory=Moves)
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Abandon:
    """Report that the host's own queue has given the job up, which its handler cannot say.

    Attributes:
        token: the last token of the job that the reporter knows of; 0: none was given yet. If
            another was given since, the report is of what is over.
        error: what the queue said: too many attempts, a time limit, a worker lost, revoked.
    """

    token: Token
    error: Error


@frozen(kw_only=True)
class Reconcile:
    """Bring whatever has fallen due to its end."""


@frozen(kw_only=True)
class Annotate:
    """Add a note to the record of the job."""

    by: str = field(default="", validator=valid_label)
    note: str = field(converter=_note)


@frozen(kw_only=True)
class Delete:
    """Remove an ended job that was kept for ``retention``."""

    retention: timedelta = timedelta(0)


WorkerCommand = (
    Renew
    | StartPhase
    | CompletePhase
    | Fail
    | Release
    | ConfirmCancel
    | StartUndo
    | CompleteUndo
    | FailUndo
)
"""What a worker says: each carries the fencing token of its lease."""

Result = CompletePhase | Fail | Release | ConfirmCancel | CompleteUndo | FailUndo
"""What a worker reports, as against what it asks leave for: answered the same for ever."""

Command = (
    Submit
    | SettleDependency
    | Claim
    | WorkerCommand
    | Cancel
    | Quarantine
    | Migrate
    | Abandon
    | Reconcile
    | Annotate
    | Delete
)


class ReportKind(StrEnum):
    """The kinds of :data:`Result`, and of :class:`Abandon`, as the record names them."""

    PHASE_COMPLETED = "phase completed"
    FAILED = "failed"
    RELEASED = "released"
    CANCEL_CONFIRMED = "cancel confirmed"
    UNDO_COMPLETED = "undo completed"
    UNDO_FAILED = "undo failed"
    ABANDONED = "given up by the host"


@frozen(kw_only=True)
class Report:
    """A worker's result as the record remembers it, so that a repeat is known for one.

    Attributes:
        kind: which result it was.
        token: under which lease.
        phase: of which phase, where it names one.
        digest: of the result's bytes, where it has any.
    """

    kind: ReportKind
    token: Token
    phase: str | None = None
    digest: str | None = None


_KINDS: dict[type, ReportKind] = {
    CompletePhase: ReportKind.PHASE_COMPLETED,
    Fail: ReportKind.FAILED,
    Release: ReportKind.RELEASED,
    ConfirmCancel: ReportKind.CANCEL_CONFIRMED,
    CompleteUndo: ReportKind.UNDO_COMPLETED,
    FailUndo: ReportKind.UNDO_FAILED,
    Abandon: ReportKind.ABANDONED,
}


def report(command: Result | Abandon) -> Report:
    """What the record keeps of ``command``."""
    result: Blob | None = getattr(command, "result", None)
    return Report(
        kind=_KINDS[type(command)],
        token=command.token,
        phase=getattr(command, "phase", None),
        digest=None if result is None else result.digest,
    )
