"""``parcae dispatch``."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import click

from parcae_adapters.cli.options import arranged, common, option
from parcae_adapters.cli.output import start_logging
from parcae_adapters.cli.reach import reach, settings
from parcae_adapters.cli.session import Session


@click.command("dispatch")
@reach
@option("--name", help="Who it says it is: unique among all dispatchers.")
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Lines to read; or JSON.",
)
@common
@click.pass_obj
def command(session: Session, /, name: str | None, log_format: str, **options: Any) -> None:
    """Send webhooks until told to stop.

    Several may run on one database. SIGTERM or Ctrl-C: what is under way is waited for, and the
    rest given back; a second signal waits for nothing.

    Webhooks go by https, and out into the world only, unless the options say otherwise.
    """
    start_logging(log_format)
    asyncio.run(_main(session, name, options))


async def _main(session: Session, name: str | None, options: dict[str, Any]) -> None:
    # The drivers are loaded only where they are needed.
    from parcae.outbox_engine import OutboxEngine
    from parcae_adapters.http.dispatcher import Dispatcher

    chosen = settings(options)
    async with session.engine(create=True) as engine:
        sender = Dispatcher(OutboxEngine(engine.store), chosen, name=name)
        # The plain signal module, for a blocked event loop would never run the loop's own handlers.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sender.stop())
        await sender.run()


arranged(command, without=("json", "jsonl"))
