"""What can go wrong, and whose fault it is.

::

    ParcaeError
    ├── Rejected        the caller's: the command is not lawful now; nothing changed
    ├── Superseded      nobody's fault: somebody else was first; nothing but evidence changed
    │   ├── LeaseLost   a worker no longer holds the job it speaks of
    │   └── Conflict    the job moved on, or a clock went back, between question and answer
    ├── Corrupt         the stored history or state is one that no run of this kernel can produce
    └── Unavailable     the store could not answer; whether it did is unknown, repeating is safe
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a command was refused (guarantee S28: every refusal names its reason)."""

    NOT_FOUND = "not found"
    DUPLICATE_ID = "duplicate id"
    UNLAWFUL = "unlawful in this status"
    BAD_INPUT = "bad input"
    TOO_LARGE = "too large"
    KEY_REUSED = "key reused"
    NOT_DUE = "not due"
    HELD = "held by a lease"
    PAST_DEADLINE = "past the deadline"
    CANCEL_REQUESTED = "cancel requested"
    NO_CANCEL_REQUESTED = "no cancel requested"
    TIMED_OUT = "past its timeout"
    OUT_OF_ORDER = "out of order"
    PHASE_RUNNING = "a phase is running"
    NOT_STARTED = "not started"
    UNKNOWN_TOKEN = "unknown token"
    ANOTHER_RESULT = "another result is recorded"
    NOT_RETRYABLE = "not to be retried so"
    ALREADY_RETRIED = "already retried"
    NOT_MIGRATABLE = "not to be migrated so"
    OUTCOME_UNKNOWN = "outcome unknown"
    RETAINED = "retained"
    UNKNOWN_DEPENDENCY = "unknown dependency"
    STALE_TOKEN = "stale token"
    EXPIRED = "expired"
    STALE = "stale in queue"
    WOULD_SHORTEN = "would shorten the lease"
    MOVED_ON = "the job moved on"
    CYCLE = "a cycle of dependencies"
    NEEDED = "others still need it"
    PAUSED = "its queue is paused"
    FULL = "its queue lets no more start now"


class ParcaeError(Exception):
    """The root of every error that Parcae raises on purpose."""


class Rejected(ParcaeError):
    """The caller's mistake: nothing was changed.

    Attributes:
        reason: which guard refused.
        status: the job's status at that moment, or ``None`` where there is no job.
        command: the name of the refused command.
        lawful: the names of the commands which that status takes.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: str | None = None,
        command: str = "",
        lawful: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.command = command
        self.lawful = tuple(lawful)


class Superseded(ParcaeError):
    """Somebody else was first.

    Attributes:
        reason: which guard refused.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LeaseLost(Superseded):
    """The worker's lease is not current any more, or has expired: stop working on the job."""


class Conflict(Superseded):
    """What the caller looked at has changed meanwhile: look again, then repeat."""


class Corrupt(ParcaeError):
    """A stored record that no run of this kernel can have written.

    Attributes:
        job_id: the job it belongs to, where known.
        position: its position in the log, where known.
    """

    def __init__(
        self, message: str, *, job_id: str | None = None, position: int | None = None
    ) -> None:
        where = [f"job {job_id}"] if job_id is not None else []
        where += [f"position {position}"] if position is not None else []
        super().__init__(f"{message} ({', '.join(where)})" if where else message)
        self.job_id = job_id
        self.position = position


class Unavailable(ParcaeError):
    """The store could not answer. What was asked may or may not have happened: repeat it."""
