"""``parcae worker``."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import sys
import threading
from typing import Any

import click

from parcae import Jobs
from parcae.schedules import Calendar
from parcae_adapters.cli import missing
from parcae_adapters.cli.options import Duration, arranged, common, option
from parcae_adapters.cli.output import start_logging
from parcae_adapters.cli.session import Session
from parcae_adapters.cli.targets import Target

TOKEN = "PARCAE_TOKEN"


@click.command("worker")
@click.argument("jobs", metavar="MODULE:JOBS", type=Target())
@option("--concurrency", type=click.IntRange(1, 1_000), default=10, help="So many jobs at once.")
@option("--queue", multiple=True, help="From this queue only. May be repeated.")
@option("--drain", type=Duration(), metavar="DURATION", help="How long a stop waits for handlers.")
@option("--name", help="Who it says it is: unique among all workers.")
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Lines to read; or JSON, with job, attempt and token.",
)
@option(
    "--stop-on-eof",
    is_flag=True,
    help="Drain when standard input ends: for a parent that may die.",
)
@option("--url", metavar="URL", help="Of a server that has the jobs: no database is opened here.")
@option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False),
    help="Holds the token for that server; read again when it changes. Else: PARCAE_TOKEN.",
)
@option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificates to trust in place of the system's, for that server.",
)
@option("--insecure-http", is_flag=True, help="Send the token in the clear, if the URL says http.")
@common
@click.pass_obj
def command(
    session: Session,
    /,
    jobs: Jobs,
    queue: tuple[str, ...],
    log_format: str,
    stop_on_eof: bool,
    url: str | None,
    token_file: str | None,
    ca_file: str | None,
    insecure_http: bool,
    **options: Any,
) -> None:
    """Run jobs until told to stop.

    Those that MODULE:JOBS defines, until SIGTERM or Ctrl-C: then it drains. With --url they are in
    the hands of a server elsewhere, which also sees to schedules and to what is stale.

    A second signal cuts the drain short: what can be stopped is given back, and runs elsewhere.
    """
    start_logging(log_format)
    if stop_on_eof:
        threading.Thread(target=_stop_on_eof, daemon=True, name="parcae-eof").start()
    options["queues"] = queue or None
    try:
        if url is None:
            _run_here(session, jobs, options)
        else:
            _run_for(url, token_file, ca_file, insecure_http, jobs, options)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error


# The drivers are loaded only where they are needed.
def _run_here(session: Session, jobs: Jobs, options: dict[str, Any]) -> None:
    from parcae_adapters.sqlite import SqliteStore
    from parcae_adapters.worker import run_worker

    run_worker(lambda: SqliteStore(session.db), jobs, calendar=calendar(), **options)


def _run_for(
    url: str,
    token_file: str | None,
    ca_file: str | None,
    insecure: bool,
    jobs: Jobs,
    options: dict[str, Any],
) -> None:
    from parcae_adapters.http.remote import RemoteEngine, token_from
    from parcae_adapters.worker import run_worker_for

    if token_file is None and TOKEN not in os.environ:
        raise click.UsageError(f"name the file of a token with --token-file, or set {TOKEN}.")
    token = os.environ[TOKEN] if token_file is None else token_from(token_file)
    tls = None if ca_file is None else ssl.create_default_context(cafile=ca_file)

    async def opened() -> RemoteEngine:
        engine = RemoteEngine(url, token, tls=tls, insecure=insecure)
        await engine.introduce()
        return engine

    run_worker_for(opened, jobs, **options)


arranged(command, without=("json", "jsonl"))


def calendar() -> Calendar | None:
    """What reads cron expressions, where the library for it is installed."""
    try:
        from parcae_adapters.cron import CronCalendar
    except ModuleNotFoundError as error:
        logging.info("schedules are left to other workers (%s)", missing(error))
        return None
    return CronCalendar()


def _stop_on_eof() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
