"""Command, schedule → events. What is so already is not recorded again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from parcae.errors import Reason, Rejected
from parcae.schedules.calendar import Calendar
from parcae.schedules.commands import (
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
    ScheduleCommand,
    SetSchedule,
)
from parcae.schedules.events import (
    ScheduleEvent,
    SchedulePaused,
    ScheduleRemoved,
    ScheduleResumed,
    ScheduleSet,
)
from parcae.schedules.state import Plan, Schedule
from parcae.values import Instant

MAX_PAYLOAD = 65_536
"""Bytes of the arguments of a schedule's jobs: its plan is stored with each of its changes."""


def decide(
    name: str,
    schedule: Schedule | None,
    command: ScheduleCommand,
    now: Instant,
    calendar: Calendar,
) -> tuple[ScheduleEvent, ...]:
    """What ``command`` brings about; empty: it is so already.

    Raises:
        Rejected: there is no such schedule, or its jobs cannot be admitted so.
        ValueError: the plan's expression or zone means nothing.
    """
    return tuple(_decide(name, schedule, command, now, calendar))


def _decide(
    name: str,
    schedule: Schedule | None,
    command: ScheduleCommand,
    now: Instant,
    calendar: Calendar,
) -> Iterator[ScheduleEvent]:
    if isinstance(command, SetSchedule):
        yield from _set(schedule, command, now, calendar)
        return
    if schedule is None or schedule.removed:
        raise Rejected(
            Reason.NOT_FOUND, f"there is no schedule {name!r}", command=type(command).__name__
        )
    match command:
        case PauseSchedule():
            if not schedule.paused:
                yield SchedulePaused(at=now, by=command.by)
        case ResumeSchedule():
            if schedule.paused:
                next_at = next_tick(calendar, schedule.plan, schedule.since, now)
                yield ScheduleResumed(at=now, next_at=next_at, by=command.by)
        case RemoveSchedule():
            yield ScheduleRemoved(at=now, by=command.by)
        case _:
            assert_never(command)


def _set(
    schedule: Schedule | None, command: SetSchedule, now: Instant, calendar: Calendar
) -> Iterator[ScheduleEvent]:
    plan = command.plan
    calendar.check(plan.cron, plan.zone)
    _refuse_unfit(plan)
    there = None if schedule is None or schedule.removed else schedule
    if there is not None and there.plan == plan:
        return
    next_at = next_tick(calendar, plan, schedule.since if schedule else now, now)
    if there is not None and there.plan.keeps_ticks(plan):
        next_at = there.next_at or next_at
    if next_at is None:
        message = f"expected a cron expression that has a tick some day, got {plan.cron!r}"
        raise Rejected(Reason.BAD_INPUT, message, command=type(command).__name__)
    paused = there is not None and there.paused
    yield ScheduleSet(at=now, plan=plan, next_at=None if paused else next_at, by=command.by)


def next_tick(calendar: Calendar, plan: Plan, since: Instant, now: Instant) -> Instant | None:
    """The first tick that is not settled: a clock that went back brings none of them back."""
    return calendar.after(plan.cron, plan.zone, max(since, now))


def _refuse_unfit(plan: Plan) -> None:
    """Refuse what makes sense for a single job only."""
    spec = plan.spec
    size = len(plan.payload.encode())
    if size > MAX_PAYLOAD:
        message = f"expected a payload of at most {MAX_PAYLOAD} bytes for a schedule, got {size}"
        raise Rejected(Reason.TOO_LARGE, message, command=SetSchedule.__name__)
    single = {
        "run_at": spec.run_at,
        "deadline": spec.deadline,
        "dependencies": spec.dependencies,
        "origin": spec.origin,
        "group": spec.group,
        "unique": spec.unique,
    }
    given = [name for name, value in single.items() if value]
    if given:
        message = f"expected jobs of a schedule without {', '.join(given)}: each is one of many"
        raise Rejected(Reason.BAD_INPUT, message, command=SetSchedule.__name__)
