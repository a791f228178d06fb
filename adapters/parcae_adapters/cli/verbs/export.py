"""``parcae export``."""

from __future__ import annotations

from typing import Any

import click

from parcae import Query, Status
from parcae.archive_engine import ArchiveEngine
from parcae_adapters.cli.groups import group_id
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import note, write_json
from parcae_adapters.cli.session import Session


@verb("export", without=("json", "jsonl"))
@option(
    "--status",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="Only jobs in one of these statuses.",
)
@option("--kind", multiple=True, help="Only jobs of one of these kinds.")
@option("--queue", multiple=True, help="Only jobs in one of these queues.")
@option("--group", metavar="GROUP", help="Only this graph or batch, with its jobs.")
async def command(session: Session, **options: Any) -> None:
    """Write histories to standard output, as lines of JSON.

    All events of jobs, queues, groups and schedules, with payloads and results, as of one moment;
    of jobs also who took them up, legal holds and constraints. Idempotency keys are not in it.

        parcae export > jobs.jsonl

    They are restored by: parcae import jobs.jsonl
    """
    query = Query(
        statuses=frozenset(Status(name) for name in options["status"]),
        kinds=frozenset(options["kind"]),
        queues=frozenset(options["queue"]),
        group=None if options["group"] is None else group_id(options["group"]),
    )
    count = 0
    async with session.engine() as engine:
        async for line in ArchiveEngine(engine.store).export(None if query == Query() else query):
            write_json(line, line=True)
            count += "stream" in line
    note(f"{count} histories.")
