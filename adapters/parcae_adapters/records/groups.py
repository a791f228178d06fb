"""Groups, and what ties one job to others, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parcae import Group, Job, Unique
from parcae.events import DependencySettled, Event
from parcae.groups import Undoing
from parcae.ports import Recorded
from parcae.telling import progress
from parcae_adapters.records.jobs import Record, iso


def brief_group(group: Group) -> Record:
    """Where a group stands."""
    state = group.state
    return {
        "id": group.id,
        "label": group.label,
        "status": None if group.status is None else str(group.status),
        "state": type(state).__name__.lower(),
        "says": progress(group),
        "opened_at": iso(group.opened_at),
        "ended_at": iso(getattr(state, "at", None)),
        "size": group.size,
        "left": group.left,
        "compensate": group.compensate,
        "cancelled": group.cancelled,
        "trigger": group.trigger,
        "ended": {str(status): number for status, number in group.ended.items()},
        "undone": {str(status): number for status, number in group.undone.items()},
        "undoing": state.job_id if isinstance(state, Undoing) else None,
    }


def ties(job: Job, history: Sequence[Recorded[Event]]) -> Record:
    """What ties a job to others, as plain values."""
    spec, settled = job.spec, settled_parents(history)
    return {
        "dependencies": [
            {
                "id": one.parent,
                "policy": str(one.policy),
                "name": one.name,
                "outcome": str(settled[one.parent].outcome) if one.parent in settled else None,
                "met": settled[one.parent].met if one.parent in settled else None,
            }
            for one in spec.dependencies
        ],
        "group": None
        if spec.group is None
        else {
            "id": spec.group.group_id,
            "index": spec.group.index,
            "undoes": spec.group.undoes,
        },
        "unique": None if spec.unique is None else brief_unique(spec.unique),
    }


def settled_parents(history: Sequence[Recorded[Event]]) -> dict[str, DependencySettled]:
    """What became of those that a job depends on, as far as that is known."""
    events = (one.event for one in history)
    return {one.parent: one for one in events if isinstance(one, DependencySettled)}


def brief_unique(unique: Unique) -> Record:
    """A constraint."""

    def seconds(duration: Any) -> float | None:
        return None if duration is None else float(duration.total_seconds())

    return {
        "name": unique.name,
        "until": str(unique.until),
        "period_seconds": seconds(unique.period),
        "replace": unique.replace,
        "delay_seconds": seconds(unique.delay),
        "at_most_seconds": seconds(unique.at_most),
        "since": iso(unique.since),
    }
