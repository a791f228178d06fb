"""Schedules as rows and in words."""

from __future__ import annotations

from datetime import datetime

from parcae.phrases import span
from parcae.schedules import Missed, Schedule
from parcae.values import Instant

COLUMNS = ("SCHEDULE", "NEXT", "JOBS", "CRON", "ZONE", "KIND")

POLICY = {
    Missed.SKIP: "missed ticks get no job",
    Missed.ONCE: "missed ticks get one job in all",
    Missed.ALL: "missed ticks get a job each",
}


def row(schedule: Schedule) -> tuple[str, ...]:
    """What a list shows of a schedule."""
    plan = schedule.plan
    jobs = str(schedule.fired)
    return schedule.name, _next(schedule), jobs, plan.cron, plan.zone, plan.spec.kind


def words(schedule: Schedule) -> str:
    """What a schedule is about, in one sentence."""
    plan = schedule.plan
    if schedule.removed:
        return f"Schedule {schedule.name} is removed; it has admitted {schedule.fired} jobs."
    policy = POLICY[plan.missed]
    if plan.missed is Missed.ALL:
        policy += f", {plan.at_most} at the most"
    if plan.missed is Missed.SKIP:
        policy += f", {span(plan.grace)} late they are missed"
    when = f"{plan.cron!r} in {plan.zone}"
    return (
        f"Schedule {schedule.name}: {plan.spec.kind} at {when}; {policy}. Next: {_next(schedule)}."
    )


def _next(schedule: Schedule) -> str:
    if schedule.paused:
        return "paused"
    return "never" if schedule.next_at is None else _minute(schedule.next_at)


def _minute(at: Instant) -> str:
    return f"{datetime.isoformat(at, ' ', 'minutes')[:16]} UTC"
