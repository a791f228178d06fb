"""How forward work goes on or ends, once an attempt of it did."""

from __future__ import annotations

from typing import Any

from parcae import events as e
from parcae.commands import Report
from parcae.compensation import plan
from parcae.decide.draft import Draft
from parcae.retry import Again, Stop, after_attempt
from parcae.state import Running
from parcae.values import Cause, Error, Instant


def burn(
    draft: Draft,
    cause: Cause,
    due: Instant,
    *,
    error: Error | None = None,
    interrupted: str | None = None,
    fence: Instant | None = None,
    reconciled: bool = False,
    answers: Report | None = None,
    retry_at: Instant | None = None,
) -> None:
    """An attempt was burned at ``due``: another follows, or the end.

    With ``retry_at`` somebody else has chosen when it follows. A requested cancel outranks every
    retry, and ``on_lost`` too (rules 3 and 6).
    """
    common: dict[str, Any] = {
        "error": error,
        "interrupted": interrupted,
        "fence": fence,
        "reconciled": reconciled,
        "answers": answers,
    }
    job, state = draft.job, draft.job.state
    if isinstance(state, Running) and state.cancel is not None:
        end(draft, Cause.CANCELLED, due, burned_by=cause, **common)
        return
    verdict = after_attempt(job, cause, error)
    if isinstance(verdict, Again):
        # Counted from when it fell due, not from when somebody looked (S30), and never beside
        # a handler that may still be alive (S29).
        run_at = max(due + verdict.delay, fence or due)
        if retry_at is not None:
            run_at = max(retry_at, fence or due)
        if job.deadline is None or run_at < job.deadline:
            at, place = draft.now, draft.place
            draft.add(e.RetryScheduled(at=at, run_at=run_at, place=place, cause=cause, **common))
            return
        verdict = Stop(Cause.DEADLINE)
    end(draft, verdict.cause, due, burned_by=cause, quarantine=verdict.quarantine, **common)


def end(
    draft: Draft,
    cause: Cause,
    due: Instant,
    *,
    error: Error | None = None,
    interrupted: str | None = None,
    fence: Instant | None = None,
    reconciled: bool = False,
    burned_by: Cause | None = None,
    answers: Report | None = None,
    request: e.CancelRequest | None = None,
    quarantine: bool = False,
    cancelled: bool = False,
) -> None:
    """End forward work for ``cause``: the job ends, or begins to undo what it did.

    Args:
        draft: the decision.
        cause: why.
        due: when it fell due.
        error: what the handler raised.
        interrupted: the phase that is cut off by it.
        fence: the expiry of a lease that is fenced off by it before its time.
        reconciled: the reconciler established it.
        burned_by: how the attempt ended, where that burns it.
        answers: the result it answers.
        request: the request that it answers, where that is not on record yet.
        quarantine: a person must look, whatever could be undone.
        cancelled: without anything to undo the job is cancelled, not failed.
    """
    planned = plan(draft.job, interrupted)
    forced = cause is Cause.FORCED_CANCEL
    cancelled = cancelled or forced or cause is Cause.CANCELLED
    common: dict[str, Any] = {
        "at": draft.now,
        "error": error,
        "interrupted": interrupted,
        "fence": fence,
        "reconciled": reconciled,
        "burned_by": burned_by,
        "answers": answers,
    }
    if quarantine or not planned.possible:
        truth = cause if quarantine else Cause.OUTCOME_UNKNOWN
        trigger = None if quarantine else cause
        owed = planned.owed
        draft.add(e.Quarantined(cause=truth, trigger=trigger, owed=owed, request=request, **common))
    elif planned.owed:
        ready_at = draft.now if forced else max(due, fence or due)
        draft.add(
            e.CompensationBegan(
                cause=cause,
                undos=planned.owed,
                ready_at=ready_at,
                overlap=forced and fence is not None and fence > draft.now,
                request=request,
                **common,
            )
        )
    elif cancelled:
        draft.add(e.Cancelled(cause=cause, request=request, **common))
    else:
        draft.add(e.Failed(cause=cause, **common))
