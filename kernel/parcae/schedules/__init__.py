"""Schedules: jobs that are admitted again and again, at the ticks of a cron expression.

The rule that admits them is in :mod:`parcae.ticking`.
"""

from parcae.schedules.calendar import Calendar
from parcae.schedules.commands import (
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
    ScheduleCommand,
    SetSchedule,
)
from parcae.schedules.decide import MAX_PAYLOAD, decide, next_tick
from parcae.schedules.events import (
    COUNTED,
    ScheduleEvent,
    ScheduleFired,
    SchedulePaused,
    ScheduleRemoved,
    ScheduleResumed,
    ScheduleSet,
)
from parcae.schedules.evolve import evolve, fold
from parcae.schedules.state import GRACE, Missed, Plan, Schedule, schedule_stream

__all__ = [
    "COUNTED",
    "GRACE",
    "MAX_PAYLOAD",
    "Calendar",
    "Missed",
    "PauseSchedule",
    "Plan",
    "RemoveSchedule",
    "ResumeSchedule",
    "Schedule",
    "ScheduleCommand",
    "ScheduleEvent",
    "ScheduleFired",
    "SchedulePaused",
    "ScheduleRemoved",
    "ScheduleResumed",
    "ScheduleSet",
    "SetSchedule",
    "decide",
    "evolve",
    "fold",
    "next_tick",
    "schedule_stream",
]
