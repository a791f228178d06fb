"""``parcae worker``."""

from __future__ import annotations

import logging
import os
import signal
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
@common
@click.pass_obj
def command(
    session: Session,
    /,
    jobs: Jobs,
    queue: tuple[str, ...],
    log_format: str,
    stop_on_eof: bool,
    **options: Any,
) -> None:
    """Run jobs until told to stop.

    Those that MODULE:JOBS defines, until SIGTERM or Ctrl-C: then it drains.

    A second signal cuts the drain short: what can be stopped is given back, and runs elsewhere.
    """
    start_logging(log_format)
    # The drivers are loaded only where they are needed.
    from parcae_adapters.sqlite import SqliteStore
    from parcae_adapters.worker import run_worker

    if stop_on_eof:
        threading.Thread(target=_stop_on_eof, daemon=True, name="parcae-eof").start()
    try:
        run_worker(
            lambda: SqliteStore(session.db),
            jobs,
            queues=queue or None,
            calendar=calendar(),
            **options,
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error


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
