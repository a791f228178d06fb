"""What a worker says about undoing, and what follows a burned try of an undo."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae.commands import Report
from parcae.compensation import still_owed
from parcae.decide.draft import Draft
from parcae.errors import LeaseLost, Reason
from parcae.retry import Stop, after_undo
from parcae.state import Compensating, UndoStatus
from parcae.timing import timed_out
from parcae.values import Cause, Error, Instant


def start_undo(draft: Draft, command: c.StartUndo) -> None:
    """Permit the next undo; again, while it is still permitted, if the answer was lost."""
    if draft.expired():
        raise LeaseLost(Reason.EXPIRED, "the lease has expired: no undo may start under it")
    if timed_out(draft.job, draft.now):
        raise draft.rejected(command, Reason.TIMED_OUT, "the undo is past its timeout")
    undo = _state(draft).next
    if undo.phase != command.phase:
        message = f"the undo of {undo.phase!r} is next, not that of {command.phase!r}"
        raise draft.rejected(command, Reason.OUT_OF_ORDER, message)
    if undo.status is not UndoStatus.RUNNING:
        draft.add(e.UndoStarted(at=draft.now, token=command.token, phase=command.phase))


def complete_undo(draft: Draft, command: c.CompleteUndo) -> None:
    """Record that a phase is undone; after the last one the job is compensated."""
    _require_running(draft, command)
    last = len(still_owed(_state(draft).undos)) == 1
    report, expired, now = c.report(command), draft.expired(), draft.now
    draft.add(
        e.UndoCompleted(
            at=now,
            token=command.token,
            phase=command.phase,
            answers=None if last or expired else report,
        )
    )
    if last:
        draft.add(e.Compensated(at=now, answers=report))
    elif expired:
        draft.add(e.CompensationReleased(at=now, voluntary=False, answers=report))


def fail_undo(draft: Draft, command: c.FailUndo) -> None:
    """The undo raised: it has not happened in this try."""
    _require_running(draft, command)
    burn_undo(draft, Cause.HANDLER_ERROR, draft.now, error=command.error, answers=c.report(command))


def burn_undo(
    draft: Draft,
    cause: Cause,
    due: Instant,
    *,
    error: Error | None = None,
    fence: Instant | None = None,
    answers: Report | None = None,
) -> None:
    """A try of the next undo was burned at ``due``: another follows, or a person must look."""
    job, state = draft.job, _state(draft)
    undo, now = state.next, draft.now
    spec = job.phase_spec(undo.phase)
    assert spec is not None
    assert spec.undo is not None
    verdict = after_undo(spec.undo.retry, undo.tries + 1, error, job.spec.seed, undo.phase)
    if isinstance(verdict, Stop):
        give_up(draft, state, cut_off=error is None, error=error, fence=fence, answers=answers)
        return
    ready_at = max(due + verdict.delay, fence or due)
    if error is None:
        draft.add(e.CompensationLost(at=now, cause=cause, ready_at=ready_at, fence=fence))
    else:
        draft.add(
            e.UndoRetryScheduled(
                at=now, phase=undo.phase, ready_at=ready_at, error=error, answers=answers
            )
        )


def give_up(
    draft: Draft,
    state: Compensating,
    *,
    cut_off: bool,
    error: Error | None = None,
    fence: Instant | None = None,
    answers: Report | None = None,
) -> None:
    """The next undo will not succeed: a person must see to it and to all that is owed after it."""
    undo = state.next
    running = undo.status is UndoStatus.RUNNING
    draft.add(
        e.Quarantined(
            at=draft.now,
            cause=Cause.COMPENSATION_FAILED,
            trigger=state.cause,
            owed=still_owed(state.undos),
            reconciled=answers is None,
            error=error,
            interrupted=undo.phase if running and cut_off else None,
            fence=fence,
            answers=answers,
        )
    )


def _state(draft: Draft) -> Compensating:
    state = draft.job.state
    assert isinstance(state, Compensating)
    return state


def _require_running(draft: Draft, command: c.CompleteUndo | c.FailUndo) -> None:
    undo = _state(draft).next
    if undo.phase != command.phase or undo.status is not UndoStatus.RUNNING:
        message = f"the undo of {command.phase!r} was not started under this lease"
        raise draft.rejected(command, Reason.NOT_STARTED, message)
