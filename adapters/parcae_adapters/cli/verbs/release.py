"""``parcae release``."""

from __future__ import annotations

import click

from parcae.retention_engine import RetentionEngine
from parcae_adapters.cli.options import job_argument, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, Session, job_named


@verb("release")
@job_argument
async def command(session: Session, job: str) -> None:
    """Lift the legal hold on JOB.

    Retention may delete it again, once it was kept for long enough.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        await RetentionEngine(engine.store).lift(job_id)
    if session.json:
        write_json({"id": job_id, "held": False}, line=session.form is Form.JSONL)
    else:
        click.echo(f"Job {job_id} is under no hold.")
