"""What a command is answered, once it is decided."""

from __future__ import annotations

from collections.abc import Sequence

from parcae import answers as a
from parcae import commands as c
from parcae import events as e
from parcae.decide import Decision
from parcae.errors import LeaseLost, Reason
from parcae.state import Compensating, Ended, Job, Running, Stored
from parcae.values import Blob, Cause, JobId, Status


def reported(events: Sequence[e.Event], data: bytes | None) -> tuple[tuple[Blob, bytes], ...]:
    """The bytes to keep of a result that was reported, if it was taken."""
    if data is None:
        return ()
    results = (getattr(event, "result", None) for event in events)
    return tuple((result, data) for result in results if result is not None)


def answer(
    job_id: JobId, stored: Stored | None, command: c.Command, decision: Decision
) -> a.Answer:
    """The answer to ``command``, put to the job as it was ``stored``."""
    job, events, liveness = decision.job, decision.events, decision.liveness
    if job is None:
        return a.Deletion(job_id=job_id)
    if isinstance(command, c.Submit):
        return a.Admitted(job_id=job_id)
    if isinstance(command, c.Claim):
        assert job.lease is not None
        assert liveness is not None
        return a.Granted(job=job, lease=job.lease, expires_at=liveness.expires_at)
    if isinstance(command, c.Renew):
        assert liveness is not None
        cancelled = isinstance(job.state, Running) and job.state.cancel is not None
        return a.Renewed(expires_at=liveness.expires_at, cancel_requested=cancelled)
    if isinstance(command, c.Cancel):
        return cancel_answer(job, _cancel_outcome(job))
    if isinstance(command, c.Reconcile):
        assert stored is not None
        return a.Reconciled(
            job_id=job_id, before=stored.job.status, after=job.status, cause=_cause(job, events)
        )
    if events and isinstance(events[-1], e.LateResultRecorded):
        message = f"token {events[-1].token} is not current; its late result is kept as evidence"
        return LeaseLost(Reason.STALE_TOKEN, message)
    assert decision.status is not None
    return a.Accepted(job_id=job_id, status=decision.status)


def _cause(job: Job, events: Sequence[e.Event]) -> Cause | None:
    if isinstance(job.state, Ended | Compensating) and job.state.cause is not None:
        return job.state.cause
    return next((c for event in reversed(events) if (c := getattr(event, "cause", None))), None)


def _cancel_outcome(job: Job) -> a.CancelOutcome:
    if isinstance(job.state, Running):
        return a.CancelOutcome.CANCELLING
    if isinstance(job.state, Compensating):
        return a.CancelOutcome.COMPENSATING
    ended_so = job.status is Status.CANCELLED
    return a.CancelOutcome.CANCELLED if ended_so else a.CancelOutcome.ALREADY_ENDED


def cancel_answer(job: Job, outcome: a.CancelOutcome) -> a.CancelAnswer:
    """The truth about a request for a cancel."""
    state = job.state
    cause = state.cause if isinstance(state, Ended | Compensating) else None
    return a.CancelAnswer(job_id=job.id, outcome=outcome, status=job.status, cause=cause)
