"""``parcae workers``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from parcae.phrases import listed, span
from parcae.roster import Crew, roster
from parcae.values import Instant
from parcae_adapters.cli.options import verb
from parcae_adapters.cli.output import note, print_table, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.workers import worker_record

STYLE = {
    "idle": "green",
    "busy": "blue",
    "draining": "cyan",
    "stuck": "bold red",
    "silent": "red",
    "unknown": "bold yellow",
}


@verb("workers")
async def command(session: Session) -> None:
    """List the workers: who is there, what they can run, and what does not stop.

    Each writes down every ten seconds that it is there, and strikes itself out when it has stopped
    in order.

    \b
    idle, busy   it is there, and takes jobs
    draining     it stops, and takes no more
    stuck        handlers that do not stop keep all of its places
    silent       not heard of for half a minute, or since its leases ran out: dead, frozen, cut off
    unknown      heard of in the future: a clock is off, or was set back
    """
    async with session.engine() as engine:
        found = await roster(engine.store)
        now = engine.store.clock.now()
    match session.form:
        case Form.JSON:
            write_json({"workers": [worker_record(one) for one in found]})
        case Form.JSONL:
            for one in found:
                write_json(worker_record(one), line=True)
        case Form.TABLE:
            _show(found, now)


def _show(found: Sequence[Crew], now: Instant) -> None:
    if not found:
        note("No worker is there.")
        return
    columns = ("WORKER", "STATE", "JOBS", "STUCK", "HEARD OF", "SINCE", "VERSION", "RUNS")
    print_table(columns, [_row(one, now) for one in found])


def _row(one: Crew, now: Instant) -> tuple[str | Text, ...]:
    presence, state = one.presence, Text(one.state, style=STYLE[one.state])
    if presence is None:
        return one.worker, state, str(one.jobs), "?", heard(one, now), "?", "?", "?"
    queues = "" if presence.queues is None else f" (only from {listed(presence.queues)})"
    return (
        one.worker,
        state,
        f"{one.jobs} of {presence.capacity}",
        str(presence.abandoned),
        heard(one, now),
        f"{span(now - presence.started_at)} ago",
        presence.version or "?",
        f"{listed(presence.kinds) or 'nothing'}{queues}",
    )


def heard(one: Crew, now: Instant) -> str:
    """When a worker was last heard of."""
    if one.heard_at is None:
        return "nobody knows"
    if one.heard_at > now:
        return f"{span(one.heard_at - now)} ahead"
    return f"{span(now - one.heard_at)} ago"
