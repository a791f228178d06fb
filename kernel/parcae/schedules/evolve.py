"""Schedule, event → schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from attrs import evolve as replace

from parcae.errors import Corrupt
from parcae.schedules.events import (
    ScheduleEvent,
    ScheduleFired,
    SchedulePaused,
    ScheduleRemoved,
    ScheduleResumed,
    ScheduleSet,
)
from parcae.schedules.state import Schedule
from parcae.values import Version


def fold(name: str, events: Iterable[ScheduleEvent]) -> Schedule | None:
    """The schedule after ``events``; ``None``: nothing has happened to it.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    schedule: Schedule | None = None
    for event in events:
        schedule = evolve(name, schedule, event)
    return schedule


def evolve(name: str, schedule: Schedule | None, event: ScheduleEvent) -> Schedule:
    """The schedule after ``event``.

    Raises:
        Corrupt: the event cannot follow this state.
    """
    if isinstance(event, ScheduleSet):
        return _planned(name, schedule, event)
    if schedule is None or schedule.removed:
        raise Corrupt(f"{type(event).__name__} of a schedule that is not there: {name}")
    version, since = Version(schedule.version + 1), max(schedule.since, event.at)
    schedule = replace(schedule, version=version, since=since)
    match event:
        case ScheduleFired():
            fired = schedule.fired + len(event.jobs)
            last_at = event.ticks[-1] if event.ticks else schedule.last_at
            return replace(schedule, fired=fired, last_at=last_at, next_at=event.next_at)
        case SchedulePaused():
            return replace(schedule, paused=True, next_at=None)
        case ScheduleResumed():
            return replace(schedule, paused=False, next_at=event.next_at)
        case ScheduleRemoved():
            return replace(schedule, paused=False, removed=True, next_at=None)
        case _:
            assert_never(event)


def _planned(name: str, schedule: Schedule | None, event: ScheduleSet) -> Schedule:
    plan, next_at = event.plan, event.next_at
    if schedule is None:
        return Schedule(name=name, version=Version(1), plan=plan, since=event.at, next_at=next_at)
    # A tick that was due already when only its job changed is still to come.
    goes_on = not schedule.removed and schedule.plan.keeps_ticks(plan)
    return replace(
        schedule,
        version=Version(schedule.version + 1),
        plan=plan,
        since=schedule.since if goes_on else max(schedule.since, event.at),
        next_at=next_at,
        removed=False,
    )
