"""What a submission says of other jobs: which it waits for, and for which it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from parcae import Dependency, DependencyPolicy, Engine, JobId, Unique, Until
from parcae.groups import Group
from parcae.values import StreamId
from parcae_adapters.cli.options import Duration, Function, option
from parcae_adapters.cli.session import job_named

_OPTIONS = (
    option(
        "--after",
        metavar="JOB[:POLICY]",
        multiple=True,
        help="Not before this job or group has ended; with a POLICY for a bad end: cancel (by "
        "default), fail, or proceed. May be repeated.",
    ),
    option(
        "--unique",
        type=click.Choice([until.value for until in Until]),
        help="One job stands for all others of its constraint, until it has started, has ended, "
        "its --unique-period has expired, or for ever.",
    ),
    option(
        "--unique-name", metavar="NAME", help="The constraint: by default kind, arguments and lane."
    ),
    option("--unique-period", type=Duration(), metavar="DURATION", help="With --unique expired."),
    option("--replace", is_flag=True, help="Take the place of the one that stands, if it waits."),
    option(
        "--debounce",
        type=Duration(),
        metavar="DURATION",
        help="With --replace: run so long after the last submission.",
    ),
    option(
        "--at-most",
        type=Duration(),
        metavar="DURATION",
        help="With --debounce: but no later than so long after the first one.",
    ),
)


def ties(function: Function) -> Function:
    """Add the options that tie a job to others."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


async def dependencies(engine: Engine, words: Sequence[str]) -> tuple[Dependency, ...]:
    """What ``JOB:POLICY`` means, word by word.

    Raises:
        click.UsageError: there is no such policy.
        NotFound: there is no such job.
    """
    return tuple([await _dependency(engine, word) for word in words])


async def _dependency(engine: Engine, word: str) -> Dependency:
    name, colon, policy = word.partition(":")
    policies = [one.value for one in DependencyPolicy]
    if colon and policy not in policies:
        raise click.UsageError(f"{policy!r} is no policy; there is {', '.join(policies)}.")
    chosen = DependencyPolicy(policy) if colon else DependencyPolicy.CANCEL
    group = await engine.store.aggregate(StreamId(name)) if name.startswith("group/") else None
    parent = JobId(group.id) if isinstance(group, Group) else await job_named(engine, name)
    return Dependency(parent=parent, policy=chosen)


def unique(
    until: str | None,
    name: str | None,
    period: timedelta | None,
    replace: bool,
    **delays: Any,
) -> Unique | None:
    """The constraint that the options name; ``None``: none of them does.

    Raises:
        click.UsageError: they do not fit together.
    """
    given = [name, period, *delays.values()]
    if until is None and (replace or any(one is not None for one in given)):
        raise click.UsageError("--unique says for how long the constraint holds; it is missing.")
    if until is None:
        return None
    try:
        return Unique(name=name or "", until=Until(until), period=period, replace=replace, **delays)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
