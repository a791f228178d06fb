"""``parcae why``."""

from __future__ import annotations

import click
from rich.padding import Padding
from rich.text import Text

from parcae.explain_engine import ExplainEngine
from parcae.why import Explanation
from parcae_adapters.cli.explained import paragraphs
from parcae_adapters.cli.options import job_argument, option, verb
from parcae_adapters.cli.output import FRESHNESS, clean, console, status_text, write_json
from parcae_adapters.cli.session import Form, Session, job_named
from parcae_adapters.records.explained import explained


@verb("why")
@job_argument
@option(
    "--diagnostics",
    is_flag=True,
    help="Also errors with their tracebacks, and the shape of the arguments without values.",
)
async def command(session: Session, job: str, diagnostics: bool) -> None:
    """Say what is the matter with JOB, and what helps.

    Where it stands, since when and why; what it waits for; what went wrong before; what may have
    happened and nobody can know; what will happen next; and the commands that help. JOB is an id,
    or as much of one as is unique.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        found = await ExplainEngine(engine.store).why(job_id, diagnostics=diagnostics)
    if session.json:
        write_json(explained(found), line=session.form is Form.JSONL)
    else:
        _tell(found)


def _tell(found: Explanation) -> None:
    out = console()
    head = Text.assemble("Job ", (found.job_id, "bold"), ": ", status_text(found.status))
    word = found.freshness.word
    out.print(head.append(", ").append(str(word), style=FRESHNESS[word]))
    for heading, lines in paragraphs(found):
        click.echo()
        out.print(Text(heading, style="bold"))
        for line in lines:
            # A traceback keeps its indentation, for that is how it is read.
            indent = len(line) - len(line.lstrip())
            told = Text(" " * indent + clean(line))
            if out.is_terminal:
                out.print(Padding(told, (0, 0, 0, 2)), soft_wrap=False)
            else:
                click.echo(f"  {told.plain}")
