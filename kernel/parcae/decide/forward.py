"""What a worker says about forward work."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae.decide.draft import Draft
from parcae.decide.ending import burn, end
from parcae.errors import LeaseLost, Reason
from parcae.state import PhaseStatus
from parcae.timing import past_deadline, timed_out
from parcae.values import MAX_BLOB, MAX_DURATION, Cause


def start_phase(draft: Draft, command: c.StartPhase) -> None:
    """Permit the next phase; again, while it is still permitted, if the answer was lost."""
    job = draft.job
    if draft.expired():
        raise LeaseLost(Reason.EXPIRED, "the lease has expired: no phase may start under it")
    draft.refuse_if_cancelled(command)
    if timed_out(job, draft.now):
        raise draft.rejected(command, Reason.TIMED_OUT, "the attempt is past its timeout")
    if past_deadline(job, draft.now):
        raise draft.rejected(command, Reason.PAST_DEADLINE, f"its deadline was {job.deadline}")
    running, wanted = job.running_phase, _index(draft, command)
    if running is not None and running == wanted:
        return
    if running is not None:
        name = job.spec.phases[running].name
        raise draft.rejected(command, Reason.PHASE_RUNNING, f"phase {name!r} is running")
    if wanted != job.next_phase:
        raise draft.rejected(command, Reason.OUT_OF_ORDER, f"{command.phase!r} is not the next")
    draft.add(e.PhaseStarted(at=draft.now, token=command.token, phase=command.phase))


def complete_phase(draft: Draft, command: c.CompletePhase) -> None:
    """Record a result. The last phase completes the job, whatever was requested before.

    A result is taken even after the expiry, for nobody else holds the job; one that leaves work to
    do then gives the lease back.
    """
    if command.result is not None and command.result.size > MAX_BLOB:
        message = f"expected a result of at most {MAX_BLOB} bytes, got {command.result.size}"
        raise draft.rejected(command, Reason.TOO_LARGE, message)
    index = _index(draft, command)
    if index != draft.job.running_phase:
        message = f"phase {command.phase!r} was not started under this lease"
        raise draft.rejected(command, Reason.NOT_STARTED, message)
    rest = (phase for i, phase in enumerate(draft.job.phases) if i != index)
    more = any(phase.status is not PhaseStatus.COMPLETED for phase in rest)
    report, expired = c.report(command), draft.expired()
    draft.add(
        e.PhaseCompleted(
            at=draft.now,
            token=command.token,
            phase=command.phase,
            result=command.result,
            answers=report if more and not expired else None,
        )
    )
    cancel = draft.running().cancel
    if not more:
        draft.add(e.Completed(at=draft.now, overtook=cancel is not None, answers=report))
    elif expired and cancel is not None:
        end(draft, Cause.CANCELLED, draft.now, answers=report)
    elif expired:
        draft.add(e.Released(at=draft.now, voluntary=False, answers=report))


def fail(draft: Draft, command: c.Fail) -> None:
    """The handler raised: the phase has not happened in this attempt.

    Where the host's own queue runs the job, its retries count: it says when the next one is, or
    that there is none. A requested cancel outranks both.
    """
    report, now, why = c.report(command), draft.now, Cause.HANDLER_ERROR
    again = command.retry_at
    if again is not None and (command.final or again - now > MAX_DURATION):
        message = f"expected a retry within {MAX_DURATION}, and none of what is final, got {again}"
        raise draft.rejected(command, Reason.BAD_INPUT, message)
    if command.final and draft.running().cancel is None:
        error = command.error
        end(draft, Cause.REPORTED, now, error=error, burned_by=why, answers=report)
    else:
        burn(draft, why, now, error=command.error, answers=report, retry_at=again)


def confirm_cancel(draft: Draft, command: c.ConfirmCancel) -> None:
    """The handler has stopped as it was asked to. Inside a phase, that cuts the phase off."""
    if draft.running().cancel is None:
        raise draft.rejected(command, Reason.NO_CANCEL_REQUESTED, "nobody requested a cancel")
    end(
        draft,
        Cause.CANCELLED,
        draft.now,
        interrupted=draft.interrupted(),
        answers=c.report(command),
    )


def _index(draft: Draft, command: c.StartPhase | c.CompletePhase) -> int:
    index = draft.job.index(command.phase)
    if index is None:
        names = ", ".join(phase.name for phase in draft.job.spec.phases)
        message = f"there is no phase {command.phase!r}; there are {names}"
        raise draft.rejected(command, Reason.BAD_INPUT, message)
    return index
