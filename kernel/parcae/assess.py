"""Whether a history and a row fit together, and what a history says in words."""

from __future__ import annotations

from typing import assert_never

from attrs import fields

from parcae import events as e
from parcae.commands import ReportKind
from parcae.phrases import at
from parcae.spec import Owed
from parcae.state import Job, Liveness
from parcae.values import Cause


def difference(folded: Job | None, row: Job | None) -> str | None:
    """The first difference between the fold of a history and the stored row, if any (S5)."""
    if folded == row:
        return None
    if folded is None or row is None:
        return "the row has no history" if folded is None else "the history has no row"
    for attribute in fields(Job):
        ours, theirs = getattr(folded, attribute.name), getattr(row, attribute.name)
        if ours != theirs:
            return f"{attribute.name} is {theirs!r} in the row, {ours!r} by the history"
    return None  # pragma: no cover - unequal jobs differ in a field


def stray_liveness(job: Job, liveness: Liveness | None) -> str | None:
    """What is wrong with a liveness beside this job; ``None``: nothing."""
    lease = job.lease
    if lease is None:
        return None if liveness is None else f"liveness of token {liveness.token}, but no lease"
    if liveness is None or liveness.token != lease.token:
        found = None if liveness is None else liveness.token
        return f"liveness of token {found}, but the lease has token {lease.token}"
    if liveness.expires_at < lease.expires_at:
        return f"liveness expires at {liveness.expires_at}, before its lease was first to"
    return None


def tell(event: e.Event) -> str:
    """What happened, in one sentence without names of classes."""
    match event:
        case e.Submitted():
            return _submitted(event)
        case e.DependencySettled():
            verdict = "well enough" if event.met else "not well enough"
            return f"Job {event.parent}, which it depends on, ended {event.outcome}: {verdict}."
        case e.Scheduled():
            return f"It took place {event.place} in line, to start at {at(event.run_at)} or later."
        case e.Started():
            return f"Worker {event.worker} claimed it with token {event.token}."
        case e.PhaseStarted():
            return f"Phase {event.phase} began."
        case e.PhaseCompleted():
            return f"Phase {event.phase} was done."
        case e.CancelRequested():
            return f"{event.request.by or 'Somebody'} asked for it to stop{_why(event.request)}."
        case e.Completed():
            late = "; a cancel had been requested and came too late" if event.overtook else ""
            return f"All phases were done: completed{late}."
        case e.RetryScheduled() | e.Released():
            return _back_in_line(event)
        case e.Failed() | e.Cancelled() | e.CompensationBegan() | e.Quarantined():
            return _ended_badly(event)
        case e.Migrated():
            return _migrated(event)
        case e.Annotated():
            return f"{event.by or 'Somebody'} noted: {event.note}"
        case e.LateResultRecorded() if event.kind is ReportKind.ABANDONED:
            return (
                f"The host's own queue gave up the start with token {event.token}, which was "
                "over; kept as evidence, it changed nothing."
            )
        case e.LateResultRecorded():
            return (
                f"A worker that had lost the job (token {event.token}) reported “{event.kind}”; "
                "kept as evidence, it changed nothing."
            )
        case e.Deleted():
            return "Retention removed it."
        case _:
            return _undoing(event)


def _submitted(event: e.Submitted) -> str:
    origin = event.spec.origin
    what = f"A job of kind {event.spec.kind} was admitted"
    if origin is None:
        return f"{what}."
    carried = ", ".join(one.phase for one in event.carried) or "nothing"
    return f"{what} to retry job {origin.job_id} ({origin.mode}), taking over {carried}."


def _migrated(event: e.Migrated) -> str:
    shape = event.shape
    who = f"{event.by} gave it" if event.by else "It took"
    names = ", ".join(
        f"{one.name} (was {one.known_as})" if one.known_as else one.name for one in shape.phases
    )
    return f"{who} the shape of version {shape.definition}: its phases are {names}."


def _back_in_line(event: e.RetryScheduled | e.Released) -> str:
    cut_off = f" in phase {event.interrupted}, which may have happened" if event.interrupted else ""
    if isinstance(event, e.RetryScheduled):
        error = f" ({event.error.type}: {event.error.message})" if event.error else ""
        what = {
            Cause.LEASE_LOST: f"Its worker was lost{cut_off}",
            Cause.ATTEMPT_TIMEOUT: f"The attempt ran into its timeout{cut_off}",
        }.get(event.cause, f"The attempt failed{error}")
        return f"{what}: to be tried again at {at(event.run_at)} or later."
    if event.voluntary:
        burned = ", once too often, which burned an attempt" if event.burned else ""
        if event.lacks:
            return f"Its worker gave it back, for it cannot run it: {event.lacks}{burned}."
        return f"Its worker shut down and gave it back{cut_off}{burned}."
    return "Its worker reported after its lease had run out, and so gave the job back."


def _ended_badly(event: e.Failed | e.Cancelled | e.CompensationBegan | e.Quarantined) -> str:
    who = " by the reconciler" if event.reconciled else ""
    error = f" ({event.error.type}: {event.error.message})" if event.error else ""
    cut_off = f" Phase {event.interrupted} was cut off and may have happened." * bool(
        event.interrupted
    )
    match event:
        case e.Failed():
            found = f", established{who}" if who else ""
            return f"It failed: {event.cause}{error}{found}.{cut_off}"
        case e.Cancelled():
            return f"It was cancelled{who}: {event.cause}{_why(event.request)}.{cut_off}"
        case e.CompensationBegan():
            beside = " It was forced: an undo may run beside a living handler." * event.overlap
            undone = _phases(event.undos)
            return (
                f"It will not complete: {event.cause}{error}{who}. To be undone: {undone}."
                f"{cut_off}{beside}"
            )
        case e.Quarantined():
            owed = f" Still owed: the undo of {_phases(event.owed)}." if event.owed else ""
            trigger = f" after {event.trigger}" if event.trigger else ""
            return f"A person must look: {event.cause}{trigger}{error}{who}.{owed}{cut_off}"
        case _:
            assert_never(event)


def _undoing(
    event: e.CompensationClaimed
    | e.UndoStarted
    | e.UndoCompleted
    | e.UndoRetryScheduled
    | e.CompensationReleased
    | e.CompensationLost
    | e.Compensated,
) -> str:
    match event:
        case e.CompensationClaimed():
            return f"Worker {event.worker} claimed it for undoing, with token {event.token}."
        case e.UndoStarted():
            return f"The undo of phase {event.phase} began."
        case e.UndoCompleted():
            return f"Phase {event.phase} was undone."
        case e.UndoRetryScheduled():
            error = f"{event.error.type}: {event.error.message}"
            when = at(event.ready_at)
            return f"The undo of {event.phase} failed ({error}): again at {when} or later."
        case e.CompensationReleased():
            if not event.voluntary:
                return "Its worker reported an undo too late, and so gave the job back."
            burned = ", once too often, which burned a try" if event.burned else ""
            if event.lacks:
                return f"Its worker gave it back, for it cannot undo it: {event.lacks}{burned}."
            return f"The worker that was undoing it shut down and gave it back{burned}."
        case e.CompensationLost():
            when = at(event.ready_at)
            return f"The worker that was undoing it was lost ({event.cause}): again at {when}."
        case e.Compensated():
            return "Everything that needed undoing is undone: compensated."
        case _:
            assert_never(event)


def _phases(owed: tuple[Owed, ...]) -> str:
    return ", ".join(
        f"{one.phase} (may have happened)" if one.unknown else one.phase for one in owed
    )


def _why(request: e.CancelRequest | None) -> str:
    return f" ({request.reason})" if request is not None and request.reason else ""
