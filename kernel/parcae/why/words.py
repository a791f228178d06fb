"""The words of every status, cause and kind of due time. Tests enumerate them: none is left out."""

from __future__ import annotations

from collections.abc import Mapping

from parcae.spec import DependencyPolicy
from parcae.timing import DueKind
from parcae.values import Cause, Status

STATUSES: Mapping[Status, str] = {
    Status.PENDING: "it was admitted, and waits for others to end",
    Status.SCHEDULED: "it stands in line for a slot and a worker",
    Status.RUNNING: "a worker holds it and works on its phases",
    Status.COMPENSATING: "it will not complete, and what it did is being undone",
    Status.COMPLETED: "every phase is done",
    Status.FAILED: "it ended badly and owes no undo",
    Status.CANCELLED: "it was stopped and owes no undo",
    Status.COMPENSATED: "it did not complete, and all that needed undoing is undone",
    Status.QUARANTINED: "it cannot be brought to an end by itself: a person must look",
}
"""What it means to be in a status; a clause."""

CAUSES: Mapping[Cause, str] = {
    Cause.HANDLER_ERROR: "its handler raised an error that is not tried again",
    Cause.ATTEMPTS_EXHAUSTED: "its last attempt did not succeed, and none is left",
    Cause.ATTEMPT_TIMEOUT: "its last attempt ran past its hard timeout, and none is left",
    Cause.DEADLINE: "its deadline passed, or would have before another attempt",
    Cause.LEASE_LOST: "its worker was lost: it was not heard of until its lease ran out",
    Cause.STALE_IN_QUEUE: "it stood in line for longer than it may",
    Cause.DEPENDENCY_FAILED: "one that it depends on did not end well enough",
    Cause.CANCELLED: "somebody asked for it to stop",
    Cause.FORCED_CANCEL: "somebody had it stopped without waiting for its handler",
    Cause.COMPENSATION_FAILED: "an undo did not succeed, and no try of it is left",
    Cause.OUTCOME_UNKNOWN: (
        "nobody knows whether a phase that was cut off happened, and its undo cannot handle that"
    ),
    Cause.POISON: "more workers were lost over it than may be: it seems to kill them",
    Cause.UNDO_REQUESTED: "it was admitted only to undo what another job did",
    Cause.REPORTED: "the host runs it on a queue of its own, and that queue has given it up",
    Cause.DEFINITION_CHANGED: (
        "its definition has changed since it was admitted, and it was not to be run as it then was"
    ),
}
"""Why it ended, or began to undo what it did; a clause."""

BOUNDS: Mapping[DueKind, str] = {
    DueKind.DEADLINE: "its deadline",
    DueKind.CANCEL_GRACE: "the end of the grace that its handler has to stop in",
    DueKind.TIMEOUT: "its hard timeout",
    DueKind.LEASE: "the expiry of its lease",
    DueKind.STALE: "the longest time that it may stand in line",
}
"""What falls due."""

POLICIES: Mapping[DependencyPolicy, str] = {
    DependencyPolicy.CANCEL: "this one is cancelled",
    DependencyPolicy.FAIL: "this one fails",
    DependencyPolicy.PROCEED: "this one goes on all the same",
}
"""What follows for a job where one that it depends on does not complete; a clause."""
