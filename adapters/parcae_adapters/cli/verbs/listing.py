"""``parcae list``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from parcae import Job, Query, Status
from parcae.explain_engine import ExplainEngine
from parcae.freshness import Assessment, Freshness
from parcae.phrases import span
from parcae.ports import Page
from parcae.values import WorkerId
from parcae_adapters.cli.groups import group_id
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import (
    FRESHNESS,
    clean,
    console,
    cut_to,
    note,
    print_table,
    status_text,
    write_json,
)
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.explained import trust
from parcae_adapters.records.jobs import Record, brief

NEEDED = 36 + 2 + 12 + 2 + 10 + 2 + 5 + 2 + 5 + 2 + 2
"""Columns of a terminal that go to the table before the kind and the cause."""

LEAST = 20
"""Columns below which the cause says nothing, and is left out."""


@verb("list")
@option(
    "--status",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="In one of these statuses.",
)
@option("--kind", multiple=True, help="Of one of these kinds.")
@option("--queue", multiple=True, help="In one of these queues.")
@option("--worker", help="Held by this worker.")
@option("--group", metavar="GROUP", help="Of this graph or batch, with what undoes its jobs.")
@option("--limit", type=click.IntRange(1, 1_000), default=20, help="So many at the most.")
@option("--cursor", default="", help="Go on where the page before ended.")
async def command(session: Session, worker: str | None, **options: Any) -> None:
    """List jobs, newest first."""
    query = Query(
        statuses=frozenset(Status(name) for name in options["status"]),
        kinds=frozenset(options["kind"]),
        queues=frozenset(options["queue"]),
        worker=None if worker is None else WorkerId(worker),
        group=None if options["group"] is None else group_id(options["group"]),
        limit=options["limit"],
        cursor=options["cursor"],
    )
    async with session.engine() as engine:
        page = await engine.find(query)
        counts = await engine.store.count(query)
        now = engine.store.clock.now()
        found = await ExplainEngine(engine.store).freshness(page.jobs, now)
    words = tuple(one.word for one in found)
    match session.form:
        case Form.JSON:
            jobs = list(_records(page, found))
            write_json({"jobs": jobs, "total": sum(counts.values()), "cursor": page.cursor})
        case Form.JSONL:
            for record in _records(page, found):
                write_json(record, line=True)
        case Form.TABLE:
            _show(page, words, sum(counts.values()))


def _records(page: Page, found: Sequence[Assessment]) -> Iterator[Record]:
    for stored, one in zip(page.jobs, found, strict=True):
        yield {**brief(stored.job), **trust(one)}


def _show(page: Page, words: Sequence[Freshness], total: int) -> None:
    if not page.jobs:
        note("No such job.")
        return
    room = console().width - NEEDED
    pairs = zip(page.jobs, words, strict=True)
    rows = [_row(stored.job, word, room) for stored, word in pairs]
    columns = ("JOB", "STATUS", "FRESHNESS", "TRIES", "AGE", "KIND", "WHY")
    shown = len(columns) if room > LEAST else len(columns) - 1
    print_table(columns[:shown], [row[:shown] for row in rows])
    if page.cursor:
        note(f"{len(page.jobs)} of {total}; the next ones: --cursor {page.cursor}")


def _row(job: Job, word: Freshness, room: int) -> tuple[str | Text, ...]:
    record = brief(job)
    why = record["cause"] or (f"at {record['phase']}" if record["phase"] else "")
    if job.error is not None and record["cause"] is not None:
        why += f" ({job.error.type}: {job.error.message})"
    age = span(datetime.now(UTC) - job.submitted_at)
    kind = cut_to(job.spec.kind, 24)
    why = cut_to(clean(why), max(room - len(kind), LEAST))
    trusted = Text(str(word), style=FRESHNESS[word])
    return job.id, status_text(job.status), trusted, str(job.starts), age, kind, why
