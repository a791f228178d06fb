"""Options: those that every verb has, and how words become durations and instants."""

from __future__ import annotations

import asyncio
import functools
import getpass
import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from click.core import ParameterSource

from parcae.values import Instant, instant
from parcae_adapters.cli.session import DEFAULT, Form, Session

option = functools.partial(click.option, show_envvar=True, show_default=True)
"""An option whose environment twin the help shows. Use this one only."""

Function = Callable[..., Any]
Verb = Callable[..., Coroutine[Any, Any, int | None]]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a common option in the session: what stands after the verb outdoes what stands before.

    The environment is asked once, for the group: it must not outdo an option before the verb.
    """
    name = param.name
    assert name is not None
    source = ctx.get_parameter_source(name)
    given = source is ParameterSource.COMMANDLINE
    if given or (ctx.parent is None and source is ParameterSource.ENVIRONMENT):
        session = ctx.ensure_object(Session)
        if param.name in ("json", "jsonl"):
            name, value = "form", Form(param.name) if value else session.form
        setattr(session, name, value)


_COMMON = (
    option(
        "--db",
        metavar="FILE",
        default=DEFAULT,
        envvar="PARCAE_DB",
        expose_value=False,
        callback=_remember,
        help="The database.",
    ),
    option(
        "--json",
        is_flag=True,
        envvar="PARCAE_JSON",
        expose_value=False,
        callback=_remember,
        help="Write one JSON document.",
    ),
    option(
        "--jsonl",
        is_flag=True,
        envvar="PARCAE_JSONL",
        expose_value=False,
        callback=_remember,
        help="Write a stream of JSON, one line each.",
    ),
    option(
        "--debug",
        is_flag=True,
        envvar="PARCAE_DEBUG",
        expose_value=False,
        callback=_remember,
        help="Show where an error comes from.",
    ),
)


def common(function: Function) -> Function:
    """Add the options that stand before a verb or after it."""
    for decorate in reversed(_COMMON):
        function = decorate(function)
    return function


def arranged(command: click.Command, without: Sequence[str] = ()) -> click.Command:
    """Have ``command`` show its own options first, then the common ones that mean something."""
    ours = {"db", "json", "jsonl", "debug"}
    command.params = [param for param in command.params if param.name not in without]
    command.params.sort(key=lambda param: param.name in ours)
    return command


def verb(name: str, *, without: Sequence[str] = ()) -> Callable[[Verb], click.Command]:
    """Make a coroutine function a verb: it is given the session, and returns an exit code.

    Args:
        name: what is typed.
        without: common options that mean nothing to it.
    """

    def decorate(function: Verb) -> click.Command:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> int | None:
            return asyncio.run(function(*args, **kwargs))

        return arranged(click.command(name)(common(click.pass_obj(run))), without)

    return decorate


job_argument = click.argument("job", metavar="JOB")
by_option = option("--by", help="Who asks, for the record.  [default: your user name]")


def asker(by: str | None) -> str:
    """Who asks: whoever was named, or the user."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user: a container, for one
        return ""


UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)


class Duration(click.ParamType):  # type: ignore[type-arg]  # click 8.2 knows none
    """``90``, ``90s``, ``1.5m``, ``2h``, ``7d``, ``250ms``."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The duration that a text says."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is no duration; write 90s, 15m, 2h or 7d.", param, ctx)
        number, unit = match.groups()
        try:
            return timedelta(seconds=float(number) * UNITS[unit or "s"])
        except OverflowError:
            self.fail(f"{value!r} is too long.", param, ctx)


class When(click.ParamType):  # type: ignore[type-arg]  # click 8.2 knows none
    """An instant with a time zone, in the form of ISO 8601; or ``+10m``: from now on."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Instant:
        """The instant that a text says."""
        if isinstance(value, datetime):
            return value
        if value.startswith("+"):
            wait = Duration().convert(value[1:], param, ctx)
            try:
                return datetime.now(UTC) + wait
            except OverflowError:
                self.fail(f"{value!r} is later than any calendar goes.", param, ctx)
        try:
            return instant(datetime.fromisoformat(value))
        except ValueError:
            hint = "write 2030-01-31T08:00:00Z (with a time zone), or +10m."
            self.fail(f"{value!r} is no instant; {hint}", param, ctx)
