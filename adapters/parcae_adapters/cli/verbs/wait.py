"""``parcae wait``."""

from __future__ import annotations

from datetime import timedelta

import click

from parcae_adapters.cli.codes import Exit, of_outcome
from parcae_adapters.cli.options import Duration, job_argument, option, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, Session, job_named
from parcae_adapters.cli.words import sentence
from parcae_adapters.records.jobs import ending


@verb("wait")
@job_argument
@option("--timeout", type=Duration(), metavar="DURATION", help="No longer than this: 90s, 15m, 2h.")
async def command(session: Session, job: str, timeout: timedelta | None) -> Exit:  # noqa: ASYNC109 - on the store's clock
    """Wait for the end of JOB, and say how it ended.

    The exit code tells: 0 it completed, 3 it ended badly, 6 it was lost and the reconciler ended
    it, 7 it has not ended yet.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        outcome = await engine.wait(job_id, timeout)
        stored = await engine.stored(job_id)
        history = await engine.history(job_id)
        now = engine.store.clock.now()
    if session.json:
        write_json(ending(outcome), line=session.form is Form.JSONL)
    elif stored is not None:
        click.echo(f"{outcome.status}: {sentence(stored, history, now)}")
    return of_outcome(outcome)
