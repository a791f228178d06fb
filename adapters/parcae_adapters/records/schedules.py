"""Schedules as plain values."""

from __future__ import annotations

from parcae.schedules import Schedule
from parcae_adapters.records.jobs import Record, iso


def record(schedule: Schedule) -> Record:
    """All that is set for a schedule, and how far it got."""
    plan = schedule.plan
    return {
        "name": schedule.name,
        "cron": plan.cron,
        "zone": plan.zone,
        "kind": plan.spec.kind,
        "queue": plan.spec.lane.queue,
        "payload": plan.payload,
        "missed": str(plan.missed),
        "at_most": plan.at_most,
        "grace_seconds": plan.grace.total_seconds(),
        "paused": schedule.paused,
        "removed": schedule.removed,
        "next_at": iso(schedule.next_at),
        "last_at": iso(schedule.last_at),
        "jobs": schedule.fired,
        "version": schedule.version,
    }
