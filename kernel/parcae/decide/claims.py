"""Taking the lease, and keeping it."""

from __future__ import annotations

from attrs import evolve as replace

from parcae import commands as c
from parcae import events as e
from parcae.decide.draft import Draft
from parcae.errors import Conflict, LeaseLost, Reason
from parcae.state import Compensating, Scheduled
from parcae.timing import DueKind, next_due, past_deadline, too_late
from parcae.values import Token

_OVER = {
    DueKind.DEADLINE: Reason.PAST_DEADLINE,
    DueKind.CANCEL_GRACE: Reason.CANCEL_REQUESTED,
    DueKind.TIMEOUT: Reason.TIMED_OUT,
    DueKind.LEASE: Reason.EXPIRED,
}


def claim(draft: Draft, command: c.Claim) -> None:
    """Give the job to a worker, under a token greater than any before."""
    job, state = draft.job, draft.job.state
    assert isinstance(state, Scheduled | Compensating)
    if isinstance(state, Compensating) and state.lease is not None:
        raise draft.rejected(command, Reason.HELD, f"held by {state.lease.worker}")
    if state.ready_at > draft.now:
        raise draft.rejected(command, Reason.NOT_DUE, f"not before {state.ready_at}")
    forward = isinstance(state, Scheduled)
    if forward and past_deadline(job, draft.now):
        raise draft.rejected(command, Reason.PAST_DEADLINE, f"its deadline was {job.deadline}")
    if forward and too_late(job, draft.now, draft.queue):
        raise draft.rejected(command, Reason.STALE, f"it is due since {state.ready_at}")
    event = e.Started if forward else e.CompensationClaimed
    draft.add(
        event(
            at=draft.now,
            token=Token(job.token + 1),
            worker=command.worker,
            request=command.request,
            expires_at=draft.now + job.spec.timing.lease,
        )
    )


def renew(draft: Draft, command: c.Renew) -> None:
    """Extend the lease. It never moves back, and an expired one is lost (S24).

    Nor is it extended once the attempt must end: how long a handler could stay alive would then
    depend on when the reconciler looks (S30).
    """
    liveness = draft.liveness
    assert liveness is not None
    if draft.expired():
        raise LeaseLost(Reason.EXPIRED, f"the lease expired at {liveness.expires_at}")
    due = next_due(draft.job, liveness, draft.queue)
    if due is not None and due.at <= draft.now:
        raise LeaseLost(_OVER[due.kind], f"nothing is renewed after {due.at}: its time is over")
    expires_at = draft.now + draft.job.spec.timing.lease
    if expires_at < liveness.expires_at:
        message = f"a renewal at {draft.now} would shorten the lease from {liveness.expires_at}"
        raise Conflict(Reason.WOULD_SHORTEN, message)
    draft.liveness = replace(
        liveness,
        expires_at=expires_at,
        renewed_at=draft.now,
        progress=command.progress or liveness.progress,
    )
