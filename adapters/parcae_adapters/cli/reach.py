"""Options that say where webhooks may go, and how: of whatever dispatches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from parcae.values import hours, seconds
from parcae_adapters.cli.options import Duration, option

if TYPE_CHECKING:
    from parcae_adapters.http.dispatcher import Settings

Function = Callable[..., Any]

_OPTIONS = (
    option(
        "--allow-host",
        multiple=True,
        metavar="NAME",
        help="Webhooks may go to this host wherever it is, this machine too. May be repeated.",
    ),
    option(
        "--allow-network",
        multiple=True,
        metavar="CIDR",
        help="Webhooks may go to addresses such as 10.1.0.0/16. May be repeated.",
    ),
    option("--allow-http", is_flag=True, help="Webhooks may go without TLS."),
    option(
        "--tries-at-once",
        type=click.IntRange(1, 500),
        default=50,
        help="So many tries of deliveries at once.",
    ),
    option(
        "--per-endpoint",
        type=click.IntRange(1, 500),
        default=10,
        help="So many of them to one subscription.",
    ),
    option(
        "--answer-within",
        type=Duration(),
        default=seconds(15),
        metavar="DURATION",
        show_default="15s",
        help="How long a receiver has for its answer.",
    ),
    option(
        "--keep-delivered",
        type=Duration(),
        default=hours(7 * 24),
        metavar="DURATION",
        show_default="7d",
        help="Forget deliveries so long after they were delivered.",
    ),
    option(
        "--keep-dead",
        type=Duration(),
        default=hours(30 * 24),
        metavar="DURATION",
        show_default="30d",
        help="Forget deliveries so long after they were given up.",
    ),
    option(
        "--sealed",
        is_flag=True,
        envvar="PARCAE_SEALED",
        help="Send nothing: seal the database, and withhold what is owed until parcae unseal.",
    ),
)


def reach(function: Function) -> Function:
    """Add the options."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def settings(options: dict[str, Any]) -> Settings:
    """What the options say; they are taken out.

    Raises:
        click.UsageError: they do not fit together, or mean nothing.
    """
    from parcae_adapters.http.dispatcher import Keep, Settings
    from parcae_adapters.http.guard import Allowed

    timeout: timedelta = options.pop("answer_within")
    try:
        return Settings(
            concurrency=options.pop("tries_at_once"),
            per_endpoint=options.pop("per_endpoint"),
            timeout=timeout,
            lease=max(Settings().lease, timeout + seconds(30)),
            drain=timeout,
            allowed=Allowed(
                hosts=options.pop("allow_host"),
                networks=options.pop("allow_network"),
                http=options.pop("allow_http"),
            ),
            keep=Keep(delivered=options.pop("keep_delivered"), dead=options.pop("keep_dead")),
            sealed=options.pop("sealed"),
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
