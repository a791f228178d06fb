"""What has happened to a schedule. ``by``: who asked for it."""

from __future__ import annotations

from attrs import frozen

from parcae.schedules.state import Plan
from parcae.values import Instant, JobId

COUNTED = 100
"""So many skipped ticks are counted: where it is this number, it may have been more."""


@frozen(kw_only=True)
class ScheduleSet:
    """The schedule was made, or got another plan."""

    at: Instant
    plan: Plan
    next_at: Instant | None
    by: str = ""


@frozen(kw_only=True)
class ScheduleFired:
    """Jobs were admitted for ``ticks``, in the same commit; ``skipped`` others got none."""

    at: Instant
    ticks: tuple[Instant, ...]
    jobs: tuple[JobId, ...]
    next_at: Instant | None
    skipped: int = 0


@frozen(kw_only=True)
class SchedulePaused:
    """No tick counts any more."""

    at: Instant
    by: str = ""


@frozen(kw_only=True)
class ScheduleResumed:
    """Ticks count again, from ``next_at`` on."""

    at: Instant
    next_at: Instant | None
    by: str = ""


@frozen(kw_only=True)
class ScheduleRemoved:
    """The schedule is gone; the jobs it admitted are not touched."""

    at: Instant
    by: str = ""


ScheduleEvent = ScheduleSet | ScheduleFired | SchedulePaused | ScheduleResumed | ScheduleRemoved
