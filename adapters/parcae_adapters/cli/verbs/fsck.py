"""``parcae fsck``."""

from __future__ import annotations

import click

from parcae import fsck
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import verb
from parcae_adapters.cli.output import clean, write_json
from parcae_adapters.cli.session import Form, Session


@verb("fsck")
async def command(session: Session) -> Exit:
    """Check every history against what is stored.

    All of them are folded again, and the database is checked. Exit code 8: something differs.
    """
    async with session.engine() as engine:
        report = await fsck(engine.store)
    if session.json:
        document = {
            "clean": report.clean,
            "jobs": report.jobs,
            "aggregates": report.aggregates,
            "events": report.events,
            "findings": list(report.findings),
        }
        write_json(document, line=session.form is Form.JSONL)
    else:
        for finding in report.findings:
            click.echo(clean(finding))
        state = "clean" if report.clean else f"{len(report.findings)} findings"
        others = f"{report.aggregates} other histories"
        click.echo(f"{report.jobs} jobs, {others}, {report.events} events: {state}")
    return Exit.OK if report.clean else Exit.UNHEALTHY
