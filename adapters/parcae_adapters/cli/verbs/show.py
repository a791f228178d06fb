"""``parcae show``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import click
from rich.text import Text

from parcae import Reason, Rejected
from parcae.assess import tell
from parcae.events import Event
from parcae.explain_engine import ExplainEngine
from parcae.freshness import Assessment
from parcae.outbox_engine import OutboxEngine
from parcae.ports import DeliveryQuery, Recorded
from parcae.state import Stored
from parcae.survey import Standing
from parcae.values import Instant, JobId, StreamId
from parcae_adapters.cli.groups import facts
from parcae_adapters.cli.options import job_argument, verb
from parcae_adapters.cli.output import (
    FRESHNESS,
    clean,
    console,
    print_table,
    status_text,
    write_json,
)
from parcae_adapters.cli.queues import stands
from parcae_adapters.cli.session import Form, Session, job_named
from parcae_adapters.cli.timeline import picture
from parcae_adapters.cli.words import sentence
from parcae_adapters.records.explained import trust
from parcae_adapters.records.groups import ties
from parcae_adapters.records.jobs import full, happened, phases
from parcae_adapters.records.queues import place


@verb("show")
@job_argument
async def command(session: Session, job: str) -> None:
    """Tell all about JOB, and its history.

    How it stands and why, its phases and what was undone, and everything that happened to it.

    With --jsonl: its history, one event a line. JOB is an id, or as much of one as is unique.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        standing = await engine.place(job_id)
        history = await engine.history(job_id)
        explain = ExplainEngine(engine.store)
        (found,) = await explain.freshness([standing.stored], standing.now)
        told = await _told(OutboxEngine(engine.store), job_id)
    stored, now = standing.stored, standing.now
    if not history:
        raise Rejected(Reason.NOT_FOUND, f"job {job_id} was deleted this moment")
    says = sentence(stored, history, now)
    match session.form:
        case Form.JSON:
            record = {**full(stored, history, says, now), **trust(found)}
            more = {"place": place(standing), "deliveries": told}
            write_json({**record, **ties(stored.job, history), **more})
        case Form.JSONL:
            for one in history:
                write_json(happened(one), line=True)
        case Form.TABLE:
            _tell(standing, found, history, says, told)


async def _told(outbox: OutboxEngine, job_id: JobId) -> dict[str, int]:
    """How many deliveries there are about the job, by where they stand: of the newest of them."""
    page = await outbox.deliveries(DeliveryQuery(subject=StreamId(job_id), limit=1_000))
    if not page.deliveries:
        return {}
    return dict(Counter(str(one.standing) for one in await outbox.watched(page.deliveries)))


def _tell(
    standing: Standing,
    found: Assessment,
    history: Sequence[Recorded[Event]],
    says: str,
    told: Mapping[str, int],
) -> None:
    job = standing.stored.job
    out = console()
    word = found.word
    head = Text.assemble("Job ", (job.id, "bold"), ": ", status_text(job.status))
    out.print(head.append(", ").append(str(word), style=FRESHNESS[word]))
    out.print(Text(clean(says)), soft_wrap=not out.is_terminal)
    click.echo()
    webhooks = ", ".join(f"{number} {stage}" for stage, number in sorted(told.items()))
    for name, fact in (*_facts(standing), *facts(job, history), ("webhooks", webhooks)):
        if fact:
            click.echo(f"{name:9} {clean(fact)}")
    click.echo()
    print_table(("PHASE", "STATUS", "UNDO"), map(_phase, phases(job)))
    _draw(standing, history)
    click.echo()
    rows = ((_after(one, history[0].event.at), tell(one.event)) for one in history)
    print_table((f"{job.submitted_at:%Y-%m-%d %H:%M:%S} UTC", "HISTORY"), rows)


def _draw(standing: Standing, history: Sequence[Recorded[Event]]) -> None:
    out = console()
    lines = picture(standing.stored.job.id, history, standing.now, out)
    if lines:
        click.echo()
    for line in lines:
        out.print(line, soft_wrap=True)


def _facts(standing: Standing) -> tuple[tuple[str, str], ...]:
    job, lane = standing.stored.job, standing.stored.job.spec.lane
    where = lane.queue + (f"/{lane.key}" if lane.key else "")
    return (
        ("kind", f"{job.spec.kind} (definition {job.spec.definition})"),
        ("queue", f"{where}, priority {job.spec.priority}"),
        ("in line", stands(standing)),
        (
            "tries",
            f"{job.starts} begun, {job.attempts} burned of {job.spec.retry.max_attempts}, "
            f"{job.losses} leases lost",
        ),
        ("progress", _progress(standing.stored)),
        ("retries", "" if job.spec.origin is None else str(job.spec.origin.job_id)),
        ("error", "" if job.error is None else f"{job.error.type}: {job.error.message}"),
    )


def _phase(phase: dict[str, object]) -> tuple[str, str, str]:
    notes = [
        *(["carried over"] if phase["carried"] else []),
        *(["may have happened"] if phase["may_have_happened"] else []),
    ]
    status = f"{phase['status']} ({', '.join(notes)})" if notes else str(phase["status"])
    return str(phase["name"]), status, str(phase["undo"] or "")


def _progress(stored: Stored) -> str:
    progress = stored.liveness.progress if stored.liveness else None
    if progress is None:
        return ""
    total = "" if progress.total is None else f" of {progress.total}"
    return f"{progress.done}{total} {progress.note}".strip()


def _after(one: Recorded[Event], start: Instant) -> str:
    return f"+{(one.event.at - start).total_seconds():.3f} s"
