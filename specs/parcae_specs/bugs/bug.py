"""What a planted bug is, and what becomes of it: found for the right reason, or a hole."""

from __future__ import annotations

from attrs import frozen

from parcae_specs.bugs.plant import Change, planted
from parcae_specs.explorer.crowds.model import Crowd
from parcae_specs.explorer.crowds.replay import replay
from parcae_specs.explorer.crowds.search import explore as explore_crowd
from parcae_specs.explorer.liveness import Graph
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Model
from parcae_specs.explorer.outgoing.model import Outgoing
from parcae_specs.explorer.outgoing.search import explore as explore_outgoing
from parcae_specs.explorer.schedule import Schedule, schedule
from parcae_specs.explorer.search import explore

LIMIT = 400_000
"""Worlds; a bug that is not found in so many is a hole in the explorer."""


@frozen(kw_only=True)
class Bug:
    """A bug that some system had.

    Attributes:
        name: what goes wrong, in a few words.
        seen: where it was seen; empty: nowhere but here, it is a guard taken away.
        guarantee: the one that has to fire.
        model: in which slice it is looked for.
        changes: what is changed in the kernel.
        endless: it is found by ``eventually``, as a loop.
    """

    name: str
    seen: tuple[str, ...] = ()
    guarantee: str
    model: Model | Crowd | Outgoing
    changes: tuple[Change, ...]
    endless: bool = False


@frozen(kw_only=True)
class Caught:
    """How a bug was found.

    Attributes:
        guarantee: which fired; empty: none.
        message: in its words.
        steps: of the shortest schedule.
        worlds: that were looked at.
        schedule: the shortest one; ``None``: it is a loop, or of many jobs.
        lines: of many jobs and of webhooks, the shortest way in words.
        again: of many jobs, it went wrong in real time, too.
    """

    guarantee: str = ""
    message: str = ""
    steps: int = 0
    worlds: int = 0
    schedule: Schedule | None = None
    lines: tuple[str, ...] = ()
    again: bool = False


def hunt(bug: Bug) -> Caught:
    """Plant the bug, and look for it."""
    with planted(*bug.changes):
        if isinstance(bug.model, Crowd):
            return _among_many(bug.model)
        if isinstance(bug.model, Outgoing):
            return _of_webhooks(bug.model)
        return _endless(bug.model) if bug.endless else _hunt(bug.model)


def _among_many(model: Crowd) -> Caught:
    found = explore_crowd(model, limit=LIMIT)
    if found.violation is None:
        return Caught(worlds=found.states)
    told = replay(found)
    return Caught(
        guarantee=found.violation.guarantee,
        message=found.violation.message,
        steps=len(told.lines),
        worlds=found.states,
        lines=told.lines,
        again=told.again,
    )


def _of_webhooks(model: Outgoing) -> Caught:
    found = explore_outgoing(model, limit=LIMIT)
    if found.violation is None:
        return Caught(worlds=found.states)
    return Caught(
        guarantee=found.violation.guarantee,
        message=found.violation.message,
        steps=len(found.lines),
        worlds=found.states,
        lines=found.lines,
    )


def _hunt(model: Model) -> Caught:
    found = explore(model, limit=LIMIT)
    if found.violation is None:
        return Caught(worlds=found.states)
    shortest = schedule(found)
    return Caught(
        guarantee=found.violation.guarantee,
        message=found.violation.message,
        steps=len(shortest.scenes),
        worlds=found.states,
        schedule=shortest,
    )


def _endless(model: Model) -> Caught:
    graph = Graph(model)
    lasso = graph.lasso(EVERY_JOB_ENDS)
    if lasso is None:
        return Caught(worlds=len(graph.worlds))
    steps = len(lasso.prefix) + len(lasso.loop) - 2
    message = f"a fair loop of {len(lasso.loop) - 1} steps never ends the job"
    return Caught(guarantee="L1", message=message, steps=steps, worlds=len(graph.worlds))
