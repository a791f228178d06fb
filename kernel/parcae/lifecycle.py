"""Every transition of a job, as data.

Two rules bind: nothing but :func:`after` moves a status, and no event is applied that this table
does not have. If it moves the status, it is in this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from parcae import commands as c
from parcae import events as e
from parcae.errors import Corrupt
from parcae.values import TERMINAL, Status

Row = Mapping[type[e.Event], Status | None]

EVENTS: tuple[type[e.Event], ...] = get_args(e.Event)
COMMANDS: tuple[type[c.Command], ...] = get_args(c.Command)

_MOVES: dict[Status | None, Row] = {
    None: {e.Submitted: Status.PENDING},
    Status.PENDING: {
        e.DependencySettled: Status.PENDING,
        e.Scheduled: Status.SCHEDULED,
        e.Migrated: Status.PENDING,
        e.Cancelled: Status.CANCELLED,
        e.Failed: Status.FAILED,
    },
    Status.SCHEDULED: {
        e.Started: Status.RUNNING,
        e.Migrated: Status.SCHEDULED,
        e.Cancelled: Status.CANCELLED,
        e.Failed: Status.FAILED,
        e.CompensationBegan: Status.COMPENSATING,
        e.Quarantined: Status.QUARANTINED,
    },
    Status.RUNNING: {
        e.PhaseStarted: Status.RUNNING,
        e.PhaseCompleted: Status.RUNNING,
        e.CancelRequested: Status.RUNNING,
        e.RetryScheduled: Status.SCHEDULED,
        e.Released: Status.SCHEDULED,
        e.Completed: Status.COMPLETED,
        e.Failed: Status.FAILED,
        e.Cancelled: Status.CANCELLED,
        e.Quarantined: Status.QUARANTINED,
        e.CompensationBegan: Status.COMPENSATING,
    },
    Status.COMPENSATING: {
        e.CompensationClaimed: Status.COMPENSATING,
        e.UndoStarted: Status.COMPENSATING,
        e.UndoCompleted: Status.COMPENSATING,
        e.UndoRetryScheduled: Status.COMPENSATING,
        e.CompensationReleased: Status.COMPENSATING,
        e.CompensationLost: Status.COMPENSATING,
        e.Migrated: Status.COMPENSATING,
        e.CancelRequested: Status.COMPENSATING,
        e.Compensated: Status.COMPENSATED,
        e.Quarantined: Status.QUARANTINED,
    },
    # In the order of the enumeration: that of a set changes with the hash seed.
    **{status: {e.Deleted: None} for status in Status if status in TERMINAL},
}


def _evidence(status: Status | None) -> Row:
    """Notes and evidence never move the status; a pending job has had no worker yet."""
    if status is None:
        return {}
    notes: dict[type[e.Event], Status | None] = {e.Annotated: status}
    return notes if status is Status.PENDING else {**notes, e.LateResultRecorded: status}


TRANSITIONS: Mapping[Status | None, Row] = {
    status: {**row, **_evidence(status)} for status, row in _MOVES.items()
}
"""Status × event → status. ``None`` is a job that is not there: not yet, or deleted.

What is not in the table cannot happen.
"""

_ALWAYS: frozenset[type[c.Command]] = frozenset({c.Reconcile, c.Annotate})
_HELD: frozenset[type[c.Command]] = frozenset({c.Renew, c.Release, c.Cancel})
_FORWARD: frozenset[type[c.Command]] = frozenset(
    {c.StartPhase, c.CompletePhase, c.Fail, c.ConfirmCancel, c.Abandon}
)

ACCEPTS: Mapping[Status | None, frozenset[type[c.Command]]] = {
    None: frozenset({c.Submit}),
    Status.PENDING: _ALWAYS | {c.SettleDependency, c.Cancel, c.Migrate, c.Abandon},
    Status.SCHEDULED: _ALWAYS | {c.Claim, c.Cancel, c.Quarantine, c.Migrate, c.Abandon},
    Status.RUNNING: _ALWAYS | _HELD | _FORWARD,
    Status.COMPENSATING: _ALWAYS
    | _HELD
    | {c.Claim, c.StartUndo, c.CompleteUndo, c.FailUndo, c.Quarantine, c.Migrate},
    **{status: _ALWAYS | {c.Delete} for status in Status if status in TERMINAL},
}
"""The commands that a status takes; whether one is granted is for ``decide`` to say."""


def after(status: Status | None, event: type[e.Event]) -> Status | None:
    """The status after ``event``; ``None``: gone.

    Raises:
        Corrupt: the table has no such transition.
    """
    row = TRANSITIONS[status]
    if event not in row:
        raise Corrupt(f"{event.__name__} cannot follow {status or 'nothing'}")
    return row[event]


def lawful(status: Status | None) -> tuple[str, ...]:
    """The names of the commands that a status takes, sorted."""
    return tuple(sorted(command.__name__ for command in ACCEPTS[status]))
