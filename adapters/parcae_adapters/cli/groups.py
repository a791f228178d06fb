"""Groups as plain values, and what ties one job to others: as values and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parcae import Group, GroupId, Job, Unique, Until
from parcae.events import DependencySettled, Event
from parcae.groups import Undoing
from parcae.phrases import span
from parcae.ports import Recorded
from parcae.telling import progress
from parcae_adapters.cli.records import Record, iso


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
    spec, settled = job.spec, _settled(history)
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
        "unique": None if spec.unique is None else _unique(spec.unique),
    }


def _settled(history: Sequence[Recorded[Event]]) -> dict[str, DependencySettled]:
    events = (one.event for one in history)
    return {one.parent: one for one in events if isinstance(one, DependencySettled)}


def _unique(unique: Unique) -> Record:
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


MANY = 10
"""Of the jobs that one depends on, so many are told; ``--json`` has them all."""


def facts(job: Job, history: Sequence[Recorded[Event]]) -> Iterator[tuple[str, str]]:
    """What ties a job to others, in words: each with its name."""
    spec, settled = job.spec, _settled(history)
    for one in spec.dependencies[:MANY]:
        called = f" as {one.name!r}" if one.name else ""
        found = settled.get(one.parent)
        how = (
            f"ended {found.outcome}" if found else f"has not ended; if not completed: {one.policy}"
        )
        yield "after", f"{one.parent}{called}: {how}"
    if len(spec.dependencies) > MANY:
        yield "after", f"{len(spec.dependencies) - MANY} more"
    if spec.group is not None:
        number = spec.group.index + 1
        role = f"undoes what number {number} did" if spec.group.undoes else f"number {number}"
        yield "group", f"{spec.group.group_id}, {role}"
    if spec.unique is not None:
        yield "unique", constraint(spec.unique)


UNTIL = {
    Until.STARTED: "until it has started",
    Until.ENDED: "until it has ended",
    Until.FOREVER: "for ever",
}


def constraint(unique: Unique) -> str:
    """A constraint in words."""
    period = f"for {span(unique.period)}" if unique.period is not None else ""
    how_long = UNTIL.get(unique.until, period)
    text = f"it stands for all others of {unique.name!r} {how_long}"
    if unique.replace:
        text += "; a later one takes its place while it waits"
    if unique.delay is not None:
        text += f", and runs {span(unique.delay)} after the last"
    if unique.at_most is not None:
        text += f", at most {span(unique.at_most)} after the first"
    return text


def group_id(name: str) -> GroupId:
    """The id of a group, with its prefix or without."""
    return GroupId(name if name.startswith("group/") else f"group/{name}")
