"""Bringing what has fallen due to its end (rule 2): what fell due first wins, always."""

from __future__ import annotations

from typing import assert_never

from parcae.decide.draft import Draft
from parcae.decide.ending import burn, end
from parcae.decide.undo import burn_undo
from parcae.state import Compensating
from parcae.timing import Due, DueKind, next_due
from parcae.values import Cause


def reconcile(draft: Draft) -> None:
    """Settle whatever is due, to its fixpoint; what is not due is not touched."""
    while (due := _next(draft)) is not None and due.at <= draft.now:
        _settle(draft, due)


def _next(draft: Draft) -> Due | None:
    return next_due(draft.job, draft.liveness, draft.queue)


def _settle(draft: Draft, due: Due) -> None:
    match due.kind:
        case DueKind.DEADLINE:
            _end(draft, Cause.DEADLINE, due)
        case DueKind.CANCEL_GRACE:
            _end(draft, Cause.CANCELLED, due)
        case DueKind.STALE:
            _end(draft, Cause.STALE_IN_QUEUE, due)
        case DueKind.TIMEOUT:
            _burn(draft, Cause.ATTEMPT_TIMEOUT, due)
        case DueKind.LEASE:
            _burn(draft, Cause.LEASE_LOST, due)
        case _:
            assert_never(due.kind)


def _end(draft: Draft, cause: Cause, due: Due) -> None:
    interrupted, fence = draft.interrupted(), draft.fence(due.at)
    end(draft, cause, due.at, interrupted=interrupted, fence=fence, reconciled=True)


def _burn(draft: Draft, cause: Cause, due: Due) -> None:
    fence = draft.fence(due.at)
    if isinstance(draft.job.state, Compensating):
        burn_undo(draft, cause, due.at, fence=fence)
        return
    interrupted = draft.interrupted()
    burn(draft, cause, due.at, interrupted=interrupted, fence=fence, reconciled=True)
