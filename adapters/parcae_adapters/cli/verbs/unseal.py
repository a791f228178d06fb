"""``parcae unseal``."""

from __future__ import annotations

from parcae.deliveries import Standing
from parcae.outbox_engine import OutboxEngine
from parcae.undelivered import several
from parcae_adapters.cli.options import asker, by_option, option, verb
from parcae_adapters.cli.output import note, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records import outbox as plain


@verb("unseal")
@option("--reason", default="", help="Why, for the record.")
@by_option
async def command(session: Session, reason: str, by: str | None) -> None:
    """Let webhooks be sent again, what was withheld first."""
    async with session.engine() as engine:
        outbox = OutboxEngine(engine.store)
        done = await outbox.unseal(by=asker(by), reason=reason)
        tally = await outbox.store.tally()
    owed = sum(number for (_, stage), number in tally.items() if stage is Standing.PENDING)
    if session.json:
        write_json({**plain.seal(done), "owed": owed}, line=session.form is Form.JSONL)
    else:
        note(f"Unsealed. {several(owed)} owed; send them with: parcae dispatch")
