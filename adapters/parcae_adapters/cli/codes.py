"""Exit codes: part of the interface, so scripts may rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from parcae import CancelOutcome, Outcome, ParcaeError, Reason, Rejected, Superseded


class Exit(IntEnum):
    """What the exit code of the process says."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    JOB_FAILED = 3
    NOT_FOUND = 4
    CONFLICT = 5
    JOB_LOST = 6
    TIMED_OUT = 7
    UNHEALTHY = 8
    INTERRUPTED = 130


MEANING: Mapping[Exit, str] = {
    Exit.OK: "ok",
    Exit.INTERNAL: "internal error",
    Exit.USAGE: "wrong usage",
    Exit.JOB_FAILED: "the job ended badly",
    Exit.NOT_FOUND: "not found",
    Exit.CONFLICT: "refused as things stand",
    Exit.JOB_LOST: "the job was lost: the reconciler ended it",
    Exit.TIMED_OUT: "waited in vain",
    Exit.UNHEALTHY: "something is wrong with what is stored",
    Exit.INTERRUPTED: "interrupted",
}

REFUSED: Mapping[Reason, Exit] = {
    Reason.NOT_FOUND: Exit.NOT_FOUND,
    Reason.BAD_INPUT: Exit.USAGE,
    Reason.TOO_LARGE: Exit.USAGE,
}
"""Any other reason is a conflict with how things stand."""

CANCEL: Mapping[CancelOutcome, Exit] = {
    CancelOutcome.CANCELLED: Exit.OK,
    CancelOutcome.CANCELLING: Exit.OK,
    CancelOutcome.COMPENSATING: Exit.OK,
    CancelOutcome.ALREADY_ENDED: Exit.CONFLICT,
}


def of_outcome(outcome: Outcome[Any]) -> Exit:
    """How a job ended, told apart: well, badly, or lost."""
    if outcome.completed:
        return Exit.OK
    return Exit.JOB_LOST if outcome.reconciled else Exit.JOB_FAILED


def of_error(error: Exception) -> Exit:
    """Whose fault an error is."""
    match error:
        case Rejected():
            return REFUSED.get(error.reason, Exit.CONFLICT)
        case Superseded():
            return Exit.CONFLICT
        case ParcaeError():
            return Exit.UNHEALTHY
        case TimeoutError():
            return Exit.TIMED_OUT
        case _:
            return Exit.INTERNAL


def table() -> str:
    """The codes and what they mean, for the help."""
    return " · ".join(f"{code.value} {MEANING[code]}" for code in Exit)
