"""``parcae metrics``."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from parcae.errors import Unavailable
from parcae.values import Position
from parcae_adapters.cli.options import Duration, option, verb
from parcae_adapters.cli.output import clean, note, say, start_logging
from parcae_adapters.cli.session import Session
from parcae_adapters.facts import Take
from parcae_adapters.logs import log_fact

if TYPE_CHECKING:
    from parcae_adapters.metrics import Metrics


@verb("metrics", without=("json", "jsonl"))
@option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Write them there again and again, for node_exporter: the name has to end with .prom.",
)
@option("--once", is_flag=True, help="With --textfile: write it once.")
@option("--every", type=Duration(), default="15s", metavar="DURATION", help="How often.")
@option(
    "--after",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    metavar="POSITION",
    help="Count only what comes after this position of the log.",
)
@option("--log", "logged", is_flag=True, help="Also log each event, as JSON, to standard error.")
async def command(
    session: Session,
    textfile: Path | None,
    once: bool,
    every: timedelta,
    after: int,
    logged: bool,
) -> None:
    """Write metrics in Prometheus' format, counted from the log.

    To standard output; with --textfile to a file, whole or not at all, until SIGTERM or Ctrl-C.
    """
    if once and textfile is None:
        raise click.UsageError("--once goes with --textfile: without one it is written once.")
    if textfile is not None and textfile.suffix != ".prom":
        raise click.UsageError(
            f"{textfile} does not end with .prom: node_exporter would not read it."
        )
    if textfile is not None and not textfile.parent.is_dir():
        raise click.UsageError(f"There is no folder {str(textfile.parent)!r} to write to.")
    # The driver is loaded only where it is needed.
    from parcae_adapters.metrics import Metrics

    takers: tuple[Take, ...] = (log_fact,) if logged else ()
    if logged:
        start_logging("json")
    async with session.engine() as engine:
        metrics = Metrics(engine, Position(after))
        if textfile is not None and not once:
            await _forever(metrics, textfile, every, takers)
            return
        await metrics.update(*takers)
        if textfile is None:
            click.echo(metrics.text(), nl=False)
        else:
            metrics.write(textfile)


async def _forever(
    metrics: Metrics, textfile: Path, every: timedelta, takers: tuple[Take, ...]
) -> None:
    note(f"Writing {textfile} every {every.total_seconds():g} s, until SIGTERM or Ctrl-C.")
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    while not stopped.is_set():
        try:
            await metrics.update(*takers)
            metrics.write(textfile)
        except (Unavailable, OSError) as error:
            say(f"{clean(str(error))}; repeating")
        try:
            await asyncio.wait_for(stopped.wait(), every.total_seconds())
        except TimeoutError:
            continue
