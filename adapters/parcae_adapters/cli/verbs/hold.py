"""``parcae hold``."""

from __future__ import annotations

import click

from parcae.retention_engine import RetentionEngine
from parcae_adapters.cli.options import asker, by_option, job_argument, option, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, Session, job_named


@verb("hold")
@job_argument
@by_option
@option("--reason", default="", help="Why, for the record.")
async def command(session: Session, job: str, by: str | None, reason: str) -> None:
    """Keep JOB, whatever retention says.

    A legal hold lasts until it is lifted with `parcae release`. It is no part of the job's
    history, and changes nothing else about it.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        await RetentionEngine(engine.store).hold(job_id, by=asker(by), reason=reason)
    if session.json:
        write_json({"id": job_id, "held": True}, line=session.form is Form.JSONL)
    else:
        click.echo(f"Job {job_id} is kept until its hold is lifted.")
