"""``parcae retry``."""

from __future__ import annotations

import click

from parcae import RetryMode
from parcae_adapters.cli.options import job_argument, option, verb
from parcae_adapters.cli.output import note, write_json
from parcae_adapters.cli.session import Form, Session, job_named


@verb("retry")
@job_argument
@option(
    "--mode",
    type=click.Choice([mode.value for mode in RetryMode]),
    default=RetryMode.RESUME.value,
    help="All anew; from where it got; or only undo what it still owes undone.",
)
@option(
    "--settled",
    metavar="PHASE",
    multiple=True,
    help="With --mode undo: this phase was settled by hand. May be repeated.",
)
@option("--idempotency-key", metavar="KEY", help="Repeated with the same key, it is the same job.")
async def command(
    session: Session, job: str, mode: str, settled: tuple[str, ...], idempotency_key: str | None
) -> None:
    """Take up an ended JOB in a new one.

    Prints the id of the new job. JOB itself is not touched, and is carried on once only.
    """
    async with session.engine() as engine:
        origin = await job_named(engine, job)
        handle = await engine.retry(
            origin, RetryMode(mode), settled=settled, idempotency_key=idempotency_key
        )
    if session.json:
        document = {
            "id": handle.job_id,
            "origin": origin,
            "mode": str(mode),
            "duplicate": handle.admitted.duplicate,
            "deleted": handle.admitted.deleted,
        }
        write_json(document, line=session.form is Form.JSONL)
        return
    click.echo(handle.job_id)
    if handle.admitted.duplicate:
        note("It was admitted before, with that key.")
