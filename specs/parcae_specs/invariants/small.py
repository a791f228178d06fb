"""All small jobs of a few kinds, reachable or not: what an inductive invariant is tried on.

Each field takes every one of a few values, without a thought of how it could have come to that;
the invariant sorts out what no job may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from parcae import commands as c
from parcae.events import CancelRequest
from parcae.spec import Spec
from parcae.state import (
    Compensating,
    Ended,
    Job,
    Lease,
    Liveness,
    Phase,
    PhaseStatus,
    Running,
    Scheduled,
    State,
    Stored,
    Undo,
    UndoStatus,
)
from parcae.values import Cause, Instant, Place, Status, Token, Version, WorkerId
from parcae_specs.story import (
    JOB,
    abandon,
    at,
    cancel,
    confirm,
    delete,
    done,
    fail,
    note,
    quarantine,
    release,
    renew,
    start,
    undo,
    undo_failed,
    undone,
)

NOW = at(100)
SOON, AGO, BEFORE = at(102), at(99), at(60)
LAST = Token(2)
FORWARD = (PhaseStatus.PENDING, PhaseStatus.RUNNING, PhaseStatus.COMPLETED)
OVER = (
    PhaseStatus.COMPLETED,
    PhaseStatus.FAILED,
    PhaseStatus.INTERRUPTED,
    PhaseStatus.SKIPPED,
)
ASKED = CancelRequest(at=AGO, by="ops")
FORCED = CancelRequest(at=AGO, by="ops", force=True)
ENDS = tuple(status for status in Status if status.is_terminal)


def jobs(spec: Spec) -> Iterator[Stored]:
    """Jobs of this spec in every status but pending."""
    yield from _forward(spec)
    yield from _undoing(spec)
    yield from _ended(spec)


def _phases(spec: Spec, statuses: tuple[PhaseStatus, ...]) -> Iterator[tuple[Phase, ...]]:
    one = [
        Phase(status=status, maybe=maybe, token=None if status in SILENT else LAST)
        for status, maybe in product(statuses, (False, True) if statuses == FORWARD else (False,))
    ]
    yield from product(one, repeat=len(spec.phases))


SILENT = (PhaseStatus.PENDING, PhaseStatus.SKIPPED)


def _forward(spec: Spec) -> Iterator[Stored]:
    for phases, burned, lost, released in product(
        _phases(spec, FORWARD), range(3), range(3), range(2)
    ):
        counts = (burned, lost, released)
        for ready_at, fence in product((AGO, SOON), (None, SOON)):
            state = Scheduled(ready_at=ready_at, since=ready_at)
            yield _stored(spec, state, phases, fence=fence, counts=counts)
        for since, expires_at, asked in product((AGO, BEFORE), (AGO, SOON), (None, ASKED)):
            running = Running(lease=_lease(since), cancel=asked)
            yield _stored(spec, running, phases, expires_at, counts=counts)


def _undoing(spec: Spec) -> Iterator[Stored]:
    held = ((None, None), (_lease(AGO), SOON), (_lease(AGO), AGO), (_lease(BEFORE), SOON))
    for phases in _phases(spec, OVER):
        for undos, (lease, expires_at), asked, fence in product(
            _undos(spec, (UndoStatus.PENDING, UndoStatus.RUNNING, UndoStatus.DONE)),
            held,
            (None, FORCED),
            (None, SOON),
        ):
            state = Compensating(
                cause=Cause.HANDLER_ERROR,
                undos=undos,
                ready_at=fence or AGO,
                lease=lease,
                cancel=asked,
            )
            yield _stored(spec, state, phases, expires_at, fence=fence)


def _undos(spec: Spec, statuses: tuple[UndoStatus, ...]) -> Iterator[tuple[Undo, ...]]:
    names = [phase.name for phase in spec.phases if phase.undo is not None][::-1]
    for chosen in (names, names[:1], names[1:]):
        one = [
            [
                Undo(phase=name, status=status, unknown=unknown, tries=tries, token=LAST)
                for status, unknown, tries in product(statuses, (False, True), range(2))
            ]
            for name in chosen
        ]
        yield from product(*one)


def _ended(spec: Spec) -> Iterator[Stored]:
    statuses = (UndoStatus.DONE, UndoStatus.FAILED, UndoStatus.OWED)
    undos = (
        (),
        *(found for found in _undos(spec, statuses) if not any(one.tries for one in found)),
    )
    for phases, status, cause, left in product(
        _phases(spec, OVER), ENDS, (None, Cause.POISON), undos
    ):
        yield _stored(spec, Ended(status=status, at=AGO, cause=cause, undos=left), phases)


def _lease(since: Instant) -> Lease:
    worker = WorkerId("ann")
    return Lease(token=LAST, worker=worker, request="r2", since=since, expires_at=AGO)


def _stored(
    spec: Spec,
    state: State,
    phases: tuple[Phase, ...],
    expires_at: Instant | None = None,
    fence: Instant | None = None,
    counts: tuple[int, int, int] = (0, 0, 0),
) -> Stored:
    attempts, losses, releases = counts
    job = Job(
        id=JOB,
        spec=spec,
        version=Version(9),
        submitted_at=BEFORE,
        state=state,
        phases=phases,
        place=Place(1),
        token=LAST,
        starts=1,
        fence=fence,
        attempts=attempts,
        losses=losses,
        releases=releases,
    )
    if job.lease is None or expires_at is None:
        return Stored(job=job)
    live = Liveness(token=LAST, expires_at=expires_at, renewed_at=AGO)
    return Stored(job=job, liveness=live)


def commands(spec: Spec) -> Iterator[c.Command]:
    """Whatever may be said of such a job, with the last token and the one before it."""
    yield from (c.Reconcile(), cancel("ops"), cancel("ops", force=True), note(), delete())
    yield quarantine("ops", "phase 'a' is gone")
    yield from (c.Claim(worker=WorkerId("ann"), request=r) for r in ("r2", "r3"))
    for token in (1, 2):
        yield from (renew(token), fail(token), fail(token, permanent=True))
        yield from (abandon(token), fail(token, final=True))
        yield from (release(token), confirm(token))
        for phase in spec.phases:
            yield from (start(phase.name, token), done(phase.name, token))
            if phase.undo is not None:
                yield from (undo(phase.name, token), undone(phase.name, token))
                yield undo_failed(phase.name, token)
