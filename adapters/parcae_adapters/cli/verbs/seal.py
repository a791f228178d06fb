"""``parcae seal``."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from parcae.outbox_engine import OutboxEngine
from parcae.undelivered import several
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import Duration, asker, by_option, option, verb
from parcae_adapters.cli.output import note, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records import outbox as plain

LOOK = 0.1


@verb("seal")
@option("--reason", default="", help="Why, for the record.")
@option(
    "--wait",
    type=Duration(),
    default="2m",
    metavar="DURATION",
    help="Wait so long for tries that are under way.",
)
@by_option
async def command(session: Session, reason: str, wait: timedelta, by: str | None) -> Exit:
    """Withhold all webhooks: from now on none begins to be sent.

    What is owed is kept, and sent after parcae unseal. Tries that had begun are waited for, so that
    once this ends well nothing is on its way. Exit code 7: some still are.
    """
    async with session.engine(create=True) as engine:
        outbox = OutboxEngine(engine.store)
        done = await outbox.seal(by=asker(by), reason=reason)
        left = await _quiet(outbox, wait)
    if session.json:
        write_json({**plain.seal(done), "under_way": left}, line=session.form is Form.JSONL)
    else:
        note(f"Sealed: nothing more is sent. {several(left)} under way.")
    return Exit.TIMED_OUT if left else Exit.OK


async def _quiet(outbox: OutboxEngine, wait: timedelta) -> int:
    """Wait until nothing is under way; how much still is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait.total_seconds()
    while True:
        left = await outbox.under_way()
        if not left or loop.time() >= end:
            return left
        await asyncio.sleep(LOOK)
