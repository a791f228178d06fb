"""What answers look like: the schemas of what :mod:`parcae_adapters.records` tells.

The answers themselves are plain values, as ``--json`` writes them; a test holds both together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from parcae.values import Cause, Status


@frozen(kw_only=True)
class ErrorReply:
    """What a handler raised last."""

    type: str
    message: str


@frozen(kw_only=True)
class EvidenceReply:
    """What the word ``freshness`` stands on."""

    because: str
    heard_at: datetime | None
    expires_at: datetime | None
    due_at: datetime | None
    due: str | None
    waiting_since: datetime | None
    waiting_seconds: float | None
    paused_at: datetime | None
    workers: int | None
    ended_at: datetime | None


@frozen(kw_only=True)
class JobReply:
    """A job in a list."""

    id: str
    kind: str
    definition: str
    status: Status
    cause: Cause | None
    reconciled: bool
    queue: str
    key: str
    priority: int
    submitted_at: datetime
    ended_at: datetime | None
    attempts: int
    starts: int
    losses: int
    phase: str | None
    error: ErrorReply | None
    freshness: str


@frozen(kw_only=True)
class JobsReply:
    """A page of jobs, newest first. An empty ``next_page_token`` is the only end."""

    jobs: tuple[JobReply, ...]
    next_page_token: str


@frozen(kw_only=True)
class ProgressReply:
    """How far a handler says it is."""

    done: int
    total: int | None
    note: str


@frozen(kw_only=True)
class LeaseReply:
    """Who holds a job."""

    worker: str
    token: int
    since: datetime
    expires_at: datetime
    renewed_at: datetime | None
    expired: bool
    progress: ProgressReply | None


@frozen(kw_only=True)
class CancelRequestReply:
    """Who asked a job to stop."""

    at: datetime
    by: str
    reason: str


@frozen(kw_only=True)
class OriginReply:
    """The ended job that a job retries."""

    id: str
    mode: str
    root: str


@frozen(kw_only=True)
class PhaseReply:
    """Where a phase stands, and its undo."""

    name: str
    status: str
    may_have_happened: bool
    carried: bool
    undo: str | None
    undo_tries: int


@frozen(kw_only=True)
class JobDetailReply(JobReply):
    """A job. ``payload`` and ``results`` are there where they were asked for."""

    evidence: EvidenceReply
    version: int
    run_at: datetime | None
    deadline: datetime | None
    trigger: Cause | None
    cancel: CancelRequestReply | None
    origin: OriginReply | None
    lease: LeaseReply | None
    phases: tuple[PhaseReply, ...]
    group: dict[str, Any] | None
    unique: dict[str, Any] | None
    payload: Any = None
    results: dict[str, Any] | None = None


@frozen(kw_only=True)
class AdmittedReply:
    """The job is in the store: it will end. ``duplicate``: it was before; this is its id."""

    id: str
    duplicate: bool
    deleted: bool


@frozen(kw_only=True)
class CancelledReply:
    """The truth about a request to stop."""

    id: str
    outcome: str
    status: Status
    cause: Cause | None


@frozen(kw_only=True)
class AcceptedReply:
    """It is on record; the job has this status."""

    id: str
    status: Status


@frozen(kw_only=True)
class HappenedReply:
    """An event, as it is stored and in words."""

    position: int
    version: int
    at: datetime
    says: str
    event: dict[str, Any]


@frozen(kw_only=True)
class HistoryReply:
    """What has happened, in order. An empty ``next_page_token`` is the only end."""

    history: tuple[HappenedReply, ...]
    next_page_token: str


@frozen(kw_only=True)
class IntervalReply:
    """A time that something took."""

    span: str
    began: datetime
    ended: datetime
    outcome: str
    phase: str | None
    token: int | None
    attempt: int | None


@frozen(kw_only=True)
class TimelineReply:
    """What took how long, as far as it is over."""

    id: str
    now: datetime
    intervals: tuple[IntervalReply, ...]


@frozen(kw_only=True)
class RemedyReply:
    """A command that helps."""

    command: str
    does: str


@frozen(kw_only=True)
class WhyReply:
    """Why a job is where it is, and how far that can be trusted."""

    id: str
    status: Status
    since: datetime
    freshness: str
    evidence: EvidenceReply
    state: str
    waits: tuple[str, ...]
    past: tuple[str, ...]
    doubts: tuple[str, ...]
    next: str
    remedies: tuple[RemedyReply, ...]
    diagnostics: dict[str, Any] | None = None


@frozen(kw_only=True)
class RateReply:
    """How often jobs may start."""

    count: int
    per_seconds: float
    burst: int


@frozen(kw_only=True)
class BoundsReply:
    """A limit and a rate."""

    limit: int | None
    rate: RateReply | None


@frozen(kw_only=True)
class QueueReply:
    """What is set for a queue."""

    queue: str
    version: int
    paused_at: datetime | None
    resumed_at: datetime | None
    aging: int | None
    limit: int | None
    rate: RateReply | None
    each_key: BoundsReply
    keys: dict[str, BoundsReply]


@frozen(kw_only=True)
class PercentilesReply:
    """How long it took, in seconds: half of them at most ``p50``."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None


@frozen(kw_only=True)
class LineReply:
    """A queue, or a key of it: how much waits, runs and ends."""

    waiting: int
    later: int
    late: int
    pending: int
    running: int
    undos: int
    limit: int | None
    rate: RateReply | None
    oldest_seconds: float | None
    ends_per_minute: float
    ended: dict[str, int]
    wait_seconds: PercentilesReply | None
    run_seconds: PercentilesReply | None
    key: str | None = None


@frozen(kw_only=True)
class QueueStatisticsReply(LineReply):
    """A queue with its keys."""

    queue: str
    paused_at: datetime | None
    aging: int | None
    keys: tuple[LineReply, ...]


@frozen(kw_only=True)
class StatisticsReply:
    """What is in the queues, all of one instant."""

    at: datetime
    window_seconds: float
    sample: int
    queues: tuple[QueueStatisticsReply, ...]
    more_queues: int
    more_keys: int


@frozen(kw_only=True)
class GroupReply:
    """Where a group stands."""

    id: str
    label: str
    status: Status | None
    state: str
    says: str
    opened_at: datetime | None
    ended_at: datetime | None
    size: int
    left: int
    compensate: bool
    cancelled: bool
    trigger: str | None
    ended: dict[str, int]
    undone: dict[str, int]
    undoing: str | None


@frozen(kw_only=True)
class GroupsReply:
    """A page of groups, the oldest first. An empty ``next_page_token`` is the only end."""

    groups: tuple[GroupReply, ...]
    next_page_token: str


@frozen(kw_only=True)
class GroupAdmittedReply:
    """The group is in the store, with all its jobs, by their names where they have any."""

    id: str
    jobs: tuple[str, ...]
    names: dict[str, str]
    duplicate: bool


@frozen(kw_only=True)
class ScheduleReply:
    """A schedule: its payload is not shown."""

    name: str
    cron: str
    zone: str
    kind: str
    queue: str
    missed: str
    at_most: int
    grace_seconds: float
    paused: bool
    removed: bool
    next_at: datetime | None
    last_at: datetime | None
    jobs: int
    version: int


@frozen(kw_only=True)
class SchedulesReply:
    """All schedules."""

    schedules: tuple[ScheduleReply, ...]
