"""``parcae show``."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.text import Text

from parcae import Reason, Rejected
from parcae.assess import tell
from parcae.ports import Recorded
from parcae.state import Stored
from parcae.values import Instant
from parcae_adapters.cli.options import job_argument, verb
from parcae_adapters.cli.output import clean, console, print_table, status_text, write_json
from parcae_adapters.cli.records import full, happened, phases
from parcae_adapters.cli.session import Form, Session, job_named
from parcae_adapters.cli.words import sentence


@verb("show")
@job_argument
async def command(session: Session, job: str) -> None:
    """Tell all about JOB, and its history.

    How it stands and why, its phases and what was undone, and everything that happened to it.

    With --jsonl: its history, one event a line. JOB is an id, or as much of one as is unique.
    """
    async with session.engine() as engine:
        job_id = await job_named(engine, job)
        stored = await engine.stored(job_id)
        history = await engine.history(job_id)
        now = engine.store.clock.now()
    if stored is None:
        raise Rejected(Reason.NOT_FOUND, f"job {job_id} was deleted this moment")
    says = sentence(stored, history, now)
    match session.form:
        case Form.JSON:
            write_json(full(stored, history, says, now))
        case Form.JSONL:
            for one in history:
                write_json(happened(one), line=True)
        case Form.TABLE:
            _tell(stored, history, says)


def _tell(stored: Stored, history: Sequence[Recorded], says: str) -> None:
    job, lane = stored.job, stored.job.spec.lane
    out = console()
    out.print(Text.assemble("Job ", (job.id, "bold"), ": ", status_text(job.status)))
    out.print(Text(clean(says)), soft_wrap=not out.is_terminal)
    click.echo()
    where = lane.queue + (f"/{lane.key}" if lane.key else "")
    facts = {
        "kind": f"{job.spec.kind} (definition {job.spec.definition})",
        "queue": f"{where}, priority {job.spec.priority}",
        "tries": f"{job.starts} begun, {job.attempts} burned of {job.spec.retry.max_attempts}, "
        f"{job.losses} leases lost",
        "progress": _progress(stored),
        "retries": "" if job.spec.origin is None else str(job.spec.origin.job_id),
        "error": "" if job.error is None else f"{job.error.type}: {job.error.message}",
    }
    for name, fact in facts.items():
        if fact:
            click.echo(f"{name:9} {clean(fact)}")
    click.echo()
    print_table(("PHASE", "STATUS", "UNDO"), map(_phase, phases(job)))
    click.echo()
    rows = ((_after(one, history[0].event.at), tell(one.event)) for one in history)
    print_table((f"{job.submitted_at:%Y-%m-%d %H:%M:%S} UTC", "HISTORY"), rows)


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


def _after(one: Recorded, start: Instant) -> str:
    return f"+{(one.event.at - start).total_seconds():.3f} s"
