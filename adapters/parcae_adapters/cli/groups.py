"""What ties one job to others, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from parcae import GroupId, Job, Unique, Until
from parcae.events import Event
from parcae.phrases import span
from parcae.ports import Recorded
from parcae_adapters.records.groups import settled_parents

MANY = 10
"""Of the jobs that one depends on, so many are told; ``--json`` has them all."""


def facts(job: Job, history: Sequence[Recorded[Event]]) -> Iterator[tuple[str, str]]:
    """What ties a job to others, in words: each with its name."""
    spec, settled = job.spec, settled_parents(history)
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
