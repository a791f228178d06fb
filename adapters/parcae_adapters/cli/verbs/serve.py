"""``parcae serve``."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve as replace

from parcae import Engine, Jobs
from parcae.values import seconds
from parcae_adapters.cli.options import Duration, arranged, common, option
from parcae_adapters.cli.output import note, start_logging
from parcae_adapters.cli.reach import reach
from parcae_adapters.cli.reach import settings as outgoing
from parcae_adapters.cli.session import Session
from parcae_adapters.cli.targets import Target
from parcae_adapters.cli.verbs.worker import calendar

if TYPE_CHECKING:
    from parcae_adapters.http.serve import Settings

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("serve")
@click.argument("jobs", metavar="[MODULE:JOBS]", type=Target(), required=False)
@option("--listen", metavar="HOST:PORT", default="127.0.0.1:8420", help="Where. Port 0: any.")
@option("--tokens", type=FILE, metavar="FILE", help="Who may ask; see parcae token.")
@option("--tls-cert", type=FILE, metavar="FILE", help="The certificate, with those above it.")
@option("--tls-key", type=FILE, metavar="FILE", help="Its key.")
@option(
    "--trusted-proxy",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy that has TLS, and whose X-Forwarded-For is believed. May be repeated.",
)
@option(
    "--host-name",
    multiple=True,
    metavar="NAME",
    help="A name that the server answers to. May be repeated.",
)
@option("--plain-http", is_flag=True, help="Beyond this machine although there is no TLS.")
@option("--open-metrics", is_flag=True, help="/metrics needs no token.")
@option("--workers", type=click.IntRange(0, 1_000), default=0, help="So many jobs run here.")
@option("--reconcile/--no-reconcile", default=True, help="Settle what is overdue.")
@option("--dispatch/--no-dispatch", default=True, help="Send webhooks.")
@reach
@option(
    "--notice",
    type=Duration(),
    default=seconds(0),
    metavar="DURATION",
    show_default="0s",
    help="How long /readyz says that a stop comes, before it does.",
)
@option(
    "--drain",
    type=Duration(),
    default=seconds(10),
    metavar="DURATION",
    show_default="10s",
    help="How long a stop waits for requests, and for handlers.",
)
@option("--connections", type=click.IntRange(1, 100_000), default=2_000, help="At once.")
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Lines to read; or JSON.",
)
@common
@click.pass_obj
def command(session: Session, /, jobs: Jobs | None, log_format: str, **options: Any) -> None:
    """Serve the HTTP interface, and reconcile, until told to stop.

    With MODULE:JOBS submissions are checked against what it defines, and --workers run it.

    Webhooks go by https, and out into the world only, unless the options say otherwise.

    On this machine alone no tokens are needed: a new one is printed. For others there is a file of
    them, and TLS. SIGTERM: /readyz says so, requests and handlers get their time, then it ends.
    """
    start_logging(log_format)
    asyncio.run(_main(session, jobs, options))


async def _main(session: Session, jobs: Jobs | None, options: dict[str, Any]) -> None:
    # The drivers are loaded only where they are needed.
    from parcae.outbox_engine import OutboxEngine
    from parcae_adapters.http.dispatcher import Dispatcher
    from parcae_adapters.http.guard import Guard
    from parcae_adapters.http.serve import Serving
    from parcae_adapters.sqlite import SqliteStore

    sends = options.pop("dispatch")
    # What is under way is given the time that requests are given.
    chosen = replace(outgoing(options), drain=options["drain"])
    guard = Guard(chosen.allowed)

    def dispatching(engine: Engine) -> Dispatcher:
        return Dispatcher(OutboxEngine(engine.store), chosen, guard=guard)

    try:
        serving = Serving(
            lambda: SqliteStore(session.db),
            _settings(options),
            jobs=jobs,
            calendar=calendar(),
            components=(dispatching,) if sends or chosen.sealed else (),
            guard=guard,
            tell=lambda token: note(f"For this process alone, the token is: {token}"),
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    # The plain signal module, for a blocked event loop would never run the loop's own handlers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: serving.stop())
    try:
        await serving.run(lambda url: note(f"Serving on {url}"))
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {options['listen']}: {error.strerror}"
        ) from error


def _settings(options: dict[str, Any]) -> Settings:
    """What the options say of how to serve.

    Raises:
        ValueError: it would stand open, or nobody can listen there.
    """
    from parcae_adapters.http.listening import address
    from parcae_adapters.http.serve import Settings

    return Settings(
        listen=address(options["listen"]),
        tokens=options["tokens"],
        certificate=options["tls_cert"],
        key=options["tls_key"],
        trusted=options["trusted_proxy"],
        names=options["host_name"],
        plain=options["plain_http"],
        open_metrics=options["open_metrics"],
        workers=options["workers"],
        reconcile=options["reconcile"],
        notice=options["notice"],
        drain=options["drain"],
        connections=options["connections"],
    )


arranged(command, without=("json", "jsonl"))
