"""One job as its events leave it. Each status carries only the data that is valid in it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from attrs import frozen

from parcae.commands import Progress, Report
from parcae.errors import Corrupt
from parcae.events import CancelRequest
from parcae.shape import Reshaped
from parcae.spec import PhaseSpec, Spec
from parcae.values import (
    Blob,
    Cause,
    Error,
    Instant,
    JobId,
    Place,
    Status,
    Token,
    Version,
    WorkerId,
)


class PhaseStatus(StrEnum):
    """Where one phase stands. The last three are found only where no more will be run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


@frozen(kw_only=True)
class Phase:
    """One phase of a job.

    Attributes:
        status: where it stands.
        maybe: it was cut off once and has not completed since: nobody knows whether it happened.
        token: the lease under which it last started.
        result: what it gave.
        carried: it was taken over from the origin.
    """

    status: PhaseStatus = PhaseStatus.PENDING
    maybe: bool = False
    token: Token | None = None
    result: Blob | None = None
    carried: bool = False


class UndoStatus(StrEnum):
    """Where the undo of one phase stands. The last two are owed to a person."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    OWED = "owed"


@frozen(kw_only=True)
class Undo:
    """The undo of one phase.

    Attributes:
        phase: its name.
        status: where it stands.
        unknown: nobody knows whether the phase happened.
        tries: those burned.
        releases: leases given back in shutdowns while this one was next.
        interrupted: it was cut off once and has not completed since.
        token: the lease under which it last started.
    """

    phase: str
    status: UndoStatus = UndoStatus.PENDING
    unknown: bool = False
    tries: int = 0
    releases: int = 0
    interrupted: bool = False
    token: Token | None = None


@frozen(kw_only=True)
class Lease:
    """Who holds the job.

    Attributes:
        token: the fencing token.
        worker: the holder.
        request: the key of the claim.
        since: when it was claimed, or the last undo under it began: timeouts count from here.
        expires_at: the first expiry; :class:`Liveness` has the present one.
    """

    token: Token
    worker: WorkerId
    request: str
    since: Instant
    expires_at: Instant


@frozen(kw_only=True)
class Liveness:
    """What renewals change: beside the fold, never in an event.

    Attributes:
        token: the lease it belongs to.
        expires_at: when that lease expires.
        renewed_at: when the worker was last heard of.
        progress: what it last said.
    """

    token: Token
    expires_at: Instant
    renewed_at: Instant
    progress: Progress | None = None


@frozen(kw_only=True)
class Pending:
    """Waits for ``unsettled`` jobs."""

    unsettled: tuple[JobId, ...]


@frozen(kw_only=True)
class Scheduled:
    """In line; may start at ``ready_at``; staleness counts from ``since``."""

    ready_at: Instant
    since: Instant


@frozen(kw_only=True)
class Running:
    """Held by ``lease``; ``cancel``: somebody asked it to stop."""

    lease: Lease
    cancel: CancelRequest | None = None


@frozen(kw_only=True)
class Compensating:
    """Undoing, in the order of ``undos``; without a lease it waits for a worker from ``ready_at``.

    ``overlap``: somebody forced it beside a handler that may be alive.
    """

    cause: Cause
    undos: tuple[Undo, ...]
    ready_at: Instant
    reconciled: bool = False
    overlap: bool = False
    lease: Lease | None = None
    cancel: CancelRequest | None = None

    @property
    def next(self) -> Undo:
        """The undo that is next, or in work. There is always one: after the last the job ends.

        Raises:
            Corrupt: there is none, which no run of this kernel leaves behind.
        """
        for undo in self.undos:
            if undo.status is not UndoStatus.DONE:
                return undo
        raise Corrupt("compensating with nothing left to undo")


@frozen(kw_only=True)
class Ended:
    """Over. ``reconciled``: established by the reconciler, not by the handler.

    ``trigger`` is what had ended the job, where ``cause`` says why that could not be handled.
    """

    status: Status
    at: Instant
    cause: Cause | None = None
    trigger: Cause | None = None
    reconciled: bool = False
    overlap: bool = False
    undos: tuple[Undo, ...] = ()
    cancel: CancelRequest | None = None


State = Pending | Scheduled | Running | Compensating | Ended

_STATUS: dict[type, Status] = {
    Pending: Status.PENDING,
    Scheduled: Status.SCHEDULED,
    Running: Status.RUNNING,
    Compensating: Status.COMPENSATING,
}


@frozen(kw_only=True)
class Receipt:
    """The last result that was taken under a token, and the status the job had after it."""

    report: Report
    status: Status


def deadline(spec: Spec, submitted_at: Instant) -> Instant | None:
    """From when on a job of this spec does no forward work; ``None``: it always may."""
    relative: timedelta | None = spec.timing.deadline
    counted = None if relative is None else submitted_at + relative
    return min((bound for bound in (spec.deadline, counted) if bound is not None), default=None)


@frozen(kw_only=True)
class Job:
    """One job: the fold of its events, and nothing else.

    Attributes:
        id: its name for ever.
        spec: what it was admitted with, in the shape that it has now.
        version: how many events it has.
        submitted_at: when it was admitted.
        state: its status and what is valid only in that status.
        phases: one for each in ``spec.phases``.
        place: its place in line; 0 before it has one.
        token: the last fencing token given.
        starts: how often it was claimed for forward work.
        attempts: those burned, by a failure, a timeout, a loss or one release too many.
        losses: leases lost.
        releases: leases given back in shutdowns.
        fence: the expiry of a lease that was fenced off while its handler could be alive.
        error: the last that a handler raised.
        receipts: the last result taken under each token, oldest first.
        late: the tokens whose late result is on record.
        reshaped: the shape that a migration gave it; ``None``: it has that of its admission.
    """

    id: JobId
    spec: Spec
    version: Version
    submitted_at: Instant
    state: State
    phases: tuple[Phase, ...]
    place: Place = Place(0)
    token: Token = Token(0)
    starts: int = 0
    attempts: int = 0
    losses: int = 0
    releases: int = 0
    fence: Instant | None = None
    error: Error | None = None
    receipts: tuple[Receipt, ...] = ()
    late: tuple[Token, ...] = ()
    reshaped: Reshaped | None = None

    @property
    def status(self) -> Status:
        """Where the job stands."""
        state = self.state
        return state.status if isinstance(state, Ended) else _STATUS[type(state)]

    @property
    def lease(self) -> Lease | None:
        """The lease recorded on it, expired or not: exactly then it holds a slot."""
        state = self.state
        return state.lease if isinstance(state, Running | Compensating) else None

    @property
    def undos(self) -> tuple[Undo, ...]:
        """The undos of a job that compensates or did."""
        state = self.state
        return state.undos if isinstance(state, Compensating | Ended) else ()

    @property
    def attempt(self) -> int:
        """The number of the present or next attempt, from 1."""
        return self.attempts + 1

    @property
    def deadline(self) -> Instant | None:
        """No forward work from then on."""
        return deadline(self.spec, self.submitted_at)

    @property
    def running_phase(self) -> int | None:
        """The index of the phase in work."""
        return self._first(PhaseStatus.RUNNING)

    @property
    def next_phase(self) -> int | None:
        """The index of the first phase that has not completed."""
        for index, phase in enumerate(self.phases):
            if phase.status is not PhaseStatus.COMPLETED:
                return index
        return None

    def phase_spec(self, phase: str) -> PhaseSpec | None:
        """The phase of that name."""
        return next((spec for spec in self.spec.phases if spec.name == phase), None)

    def index(self, phase: str) -> int | None:
        """The index of the phase of that name."""
        return next((i for i, spec in enumerate(self.spec.phases) if spec.name == phase), None)

    def receipt(self, token: Token) -> Receipt | None:
        """What was last taken under ``token``."""
        return next((one for one in self.receipts if one.report.token == token), None)

    def _first(self, status: PhaseStatus) -> int | None:
        return next((i for i, phase in enumerate(self.phases) if phase.status is status), None)


@frozen(kw_only=True)
class Stored:
    """A job as a store keeps it: the fold, and the liveness beside it."""

    job: Job
    liveness: Liveness | None = None
