"""Durable jobs on a pure kernel: every admitted job ends exactly once.

    command ──decide──▶ events ──evolve──▶ state ──react──▶ effects ──▶ adapters

This package is the kernel: it does no I/O and asks for no time, id or chance. What meets the world
is in ``parcae_adapters``.
"""

from parcae.answers import (
    Accepted,
    Admitted,
    CancelAnswer,
    CancelOutcome,
    Granted,
    GroupAdmitted,
    Reconciled,
)
from parcae.context import Context, GiveUp, Stopped
from parcae.definitions import Isolation, Jobs, Options, Request, Saga, Task
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
from parcae.graphs import After, Graph
from parcae.group_engine import GroupHandle, GroupOutcome
from parcae.groups import Group
from parcae.handlers import Phase
from parcae.ports import Query
from parcae.queues import Queue, Rate
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Missed, Schedule
from parcae.shape import Moves, Shape
from parcae.spec import (
    Dependency,
    DependencyPolicy,
    Lost,
    OnLost,
    Retry,
    RetryMode,
    Spec,
    Timing,
    Unique,
    Until,
)
from parcae.state import Job
from parcae.values import Cause, Error, GroupId, JobId, Status, Token, hours, minutes, seconds

__all__ = [
    "Accepted",
    "Admitted",
    "After",
    "CancelAnswer",
    "CancelOutcome",
    "Cause",
    "Conflict",
    "Context",
    "Corrupt",
    "Dependency",
    "DependencyPolicy",
    "Engine",
    "Error",
    "GiveUp",
    "Granted",
    "Graph",
    "Group",
    "GroupAdmitted",
    "GroupHandle",
    "GroupId",
    "GroupOutcome",
    "Handle",
    "Isolation",
    "Job",
    "JobId",
    "Jobs",
    "LeaseLost",
    "Lost",
    "Missed",
    "Moves",
    "OnLost",
    "Options",
    "Outcome",
    "ParcaeError",
    "Phase",
    "Query",
    "Queue",
    "Rate",
    "Reason",
    "Reconciled",
    "Rejected",
    "Report",
    "Request",
    "Retry",
    "RetryMode",
    "Saga",
    "Schedule",
    "SchedulerEngine",
    "Shape",
    "Spec",
    "Status",
    "Stopped",
    "Superseded",
    "Task",
    "Timing",
    "Token",
    "Unavailable",
    "Unique",
    "Until",
    "fsck",
    "hours",
    "minutes",
    "seconds",
]
