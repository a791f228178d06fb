"""``parcae cancel``."""

from __future__ import annotations

import click

from parcae_adapters.cli.codes import CANCEL, Exit
from parcae_adapters.cli.options import asker, by_option, job_argument, option, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, Session, job_named
from parcae_adapters.cli.words import cancelled


@verb("cancel")
@job_argument
@by_option
@option("--reason", default="", help="Why, for the record.")
@option(
    "--force",
    is_flag=True,
    help="Fence its handler off at once, though it may be alive: an undo may then run beside it.",
)
async def command(session: Session, job: str, by: str | None, reason: str, force: bool) -> Exit:
    """Ask JOB to stop; say what came of it.

    A waiting job is cancelled. A running one is asked, and given its grace; what it has done is
    then undone. One that has ended stays as it is (exit code 5).
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        answer = await engine.cancel(job_id, by=asker(by), reason=reason, force=force)
    if session.json:
        document = {
            "id": answer.job_id,
            "outcome": str(answer.outcome),
            "status": str(answer.status),
            "cause": None if answer.cause is None else str(answer.cause),
        }
        write_json(document, line=session.form is Form.JSONL)
    else:
        click.echo(cancelled(answer))
    return CANCEL[answer.outcome]
