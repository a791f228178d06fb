"""``parcae quarantine``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import click

from parcae import Query, Status
from parcae.admit import carry_key
from parcae.compensation import still_owed
from parcae.phrases import span
from parcae.ports import Named, Page
from parcae.state import Ended, Job
from parcae.values import JobId
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import clean, note, print_table, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.jobs import Record, brief


@click.group("quarantine")
def command() -> None:
    """Jobs at which a person must look."""


@verb("list")
@option("--kind", multiple=True, help="Of one of these kinds.")
@option("--queue", multiple=True, help="In one of these queues.")
@option("--limit", type=click.IntRange(1, 1_000), default=20, help="So many at the most.")
@option("--cursor", default="", help="Go on where the page before ended.")
async def list_jobs(
    session: Session, kind: tuple[str, ...], queue: tuple[str, ...], limit: int, cursor: str
) -> None:
    """List the quarantined jobs, newest first: why, what they owe undone, and who took them up.

    What to do about one of them is told by: parcae why JOB
    """
    query = Query(
        statuses=frozenset({Status.QUARANTINED}),
        kinds=frozenset(kind),
        queues=frozenset(queue),
        limit=limit,
        cursor=cursor,
    )
    async with session.engine() as engine:
        page = await engine.find(query)
        total = sum((await engine.store.count(query)).values())
        names = [one.job.id for one in page.jobs]
        view = await engine.store.look(Named(keys=tuple(map(carry_key, names))))
        rows = {name: view.keys.get(carry_key(name)) for name in names}
        taken = {name: row.job_id for name, row in rows.items() if row is not None}
    match session.form:
        case Form.JSON:
            jobs = list(_records(page, taken))
            write_json({"jobs": jobs, "total": total, "cursor": page.cursor})
        case Form.JSONL:
            for record in _records(page, taken):
                write_json(record, line=True)
        case Form.TABLE:
            _show(page, taken, total, view.now)


command.add_command(list_jobs)


def _records(page: Page, taken: Mapping[JobId, JobId]) -> Iterator[Record]:
    for job in (one.job for one in page.jobs):
        owed = [{"phase": one.phase, "unknown": one.unknown} for one in still_owed(job.undos)]
        yield {**brief(job), "owed": owed, "taken_up_by": taken.get(job.id)}


def _show(page: Page, taken: Mapping[JobId, JobId], total: int, now: datetime) -> None:
    if not page.jobs:
        note("No job is quarantined.")
        return
    rows = [_row(one.job, taken.get(one.job.id), now) for one in page.jobs]
    print_table(("JOB", "KIND", "SINCE", "WHY", "OWES", "TAKEN UP BY"), rows)
    if page.cursor:
        note(f"{len(page.jobs)} of {total}; the next ones: --cursor {page.cursor}")


def _row(job: Job, taken_up_by: JobId | None, now: datetime) -> tuple[str, ...]:
    state = job.state
    assert isinstance(state, Ended)
    owed = ", ".join(one.phase for one in still_owed(job.undos)) or "nothing"
    since = f"{span(now - state.at)} ago"
    return job.id, clean(job.spec.kind), since, str(state.cause), clean(owed), taken_up_by or "–"
