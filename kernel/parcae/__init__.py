"""Durable jobs on a pure kernel: every admitted job ends exactly once.

    command ──decide──▶ events ──evolve──▶ state ──react──▶ effects ──▶ adapters

This package is the kernel: it does no I/O and asks for no time, id or chance. What meets the world
is in ``parcae_adapters``.
"""

from parcae.answers import Accepted, Admitted, CancelAnswer, CancelOutcome, Granted, Reconciled
from parcae.context import Context, GiveUp, Stopped
from parcae.definitions import Jobs, Options, Request, Saga, Task
from parcae.engine import Engine, Handle, Outcome
from parcae.errors import (
    Conflict,
    Corrupt,
    LeaseLost,
    ParcaeError,
    Reason,
    Rejected,
    Superseded,
    Unavailable,
)
from parcae.fsck import Report, fsck
from parcae.handlers import Phase
from parcae.ports import Query
from parcae.spec import Lost, OnLost, Retry, RetryMode, Spec, Timing
from parcae.state import Job
from parcae.values import Cause, Error, JobId, Status, Token, hours, minutes, seconds

__all__ = [
    "Accepted",
    "Admitted",
    "CancelAnswer",
    "CancelOutcome",
    "Cause",
    "Conflict",
    "Context",
    "Corrupt",
    "Engine",
    "Error",
    "GiveUp",
    "Granted",
    "Handle",
    "Job",
    "JobId",
    "Jobs",
    "LeaseLost",
    "Lost",
    "OnLost",
    "Options",
    "Outcome",
    "ParcaeError",
    "Phase",
    "Query",
    "Reason",
    "Reconciled",
    "Rejected",
    "Report",
    "Request",
    "Retry",
    "RetryMode",
    "Saga",
    "Spec",
    "Status",
    "Stopped",
    "Superseded",
    "Task",
    "Timing",
    "Token",
    "Unavailable",
    "fsck",
    "hours",
    "minutes",
    "seconds",
]
