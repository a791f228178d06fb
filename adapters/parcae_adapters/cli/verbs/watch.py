"""``parcae watch``."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta

import click
from rich.console import Group as Stack
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from parcae import Engine, Query
from parcae.change import AnyEvent
from parcae.explain_engine import ExplainEngine
from parcae.ports import Recorded
from parcae.state import Stored
from parcae.telling import progress
from parcae.values import Instant, Status
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.following import follow, head
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import FRESHNESS, clean, console, status_text, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.cli.watched import Scope, scope_of
from parcae_adapters.cli.words import sentence
from parcae_adapters.records.jobs import happened, told

TICK = timedelta(seconds=1)
"""How often what is shown is looked at anew though nothing happened: ages grow."""

LATEST = 12
"""Events that are shown on a terminal."""


@verb("watch", without=("json",))
@click.argument("job", required=False, metavar="[JOB]")
@option("--queue", metavar="QUEUE", help="All jobs of this queue, until Ctrl-C.")
@option("--group", metavar="GROUP", help="All jobs of this graph or batch, until it has ended.")
async def command(
    session: Session, job: str | None, queue: str | None, group: str | None
) -> Exit | int:
    """Show live what happens to JOB, to a queue or a group, or to everything.

    On a terminal a picture; else, or with --jsonl, one line for each change. It ends when the job
    or the group has ended, with the exit code of wait: 0 well, 3 badly, 6 lost. Ctrl-C: 130.
    """
    if sum(one is not None for one in (job, queue, group)) > 1:
        raise click.UsageError("Name a job, or a queue, or a group.")
    live = session.form is Form.TABLE and console().is_terminal
    async with session.engine() as engine:
        scope = await scope_of(engine, job=job, queue=queue, group=group)
        if live:
            return await _live(engine, scope)
        return await _lines(session, engine, scope)


async def _lines(session: Session, engine: Engine, scope: Scope) -> Exit:
    """One line for each change, from now on; of a job or a group also what it was before."""
    after = await head(engine.store)
    for one in await scope.past(after):
        _say(session, one)
    ended = await scope.ended()
    if ended is not None:
        return ended
    async for batch in follow(engine.store, after, TICK):
        for one in batch:
            if await scope.concerns(one):
                _say(session, one)
        if batch and (ended := await scope.ended()) is not None:
            return ended
    return Exit.OK


def _say(session: Session, one: Recorded[AnyEvent]) -> None:
    if session.form is Form.JSONL:
        write_json({"stream": one.stream, **happened(one)}, line=True)
    else:
        click.echo(f"{one.event.at:%Y-%m-%d %H:%M:%S} {one.stream} {clean(told(one.event))}")


async def _live(engine: Engine, scope: Scope) -> Exit:
    after = await head(engine.store)
    latest = deque(await scope.past(after), maxlen=LATEST)
    with Live(console=console(), auto_refresh=False) as screen:
        async for batch in follow(engine.store, after, TICK):
            for one in batch:
                if await scope.concerns(one):
                    latest.append(one)
            # Before the picture, so that the last picture shows the end.
            ended = await scope.ended()
            screen.update(await _picture(engine, scope, tuple(latest)), refresh=True)
            if ended is not None:
                return ended
    return Exit.OK


async def _picture(
    engine: Engine, scope: Scope, latest: Sequence[Recorded[AnyEvent]]
) -> RenderableType:
    now = engine.store.clock.now()
    if scope.job_id is not None:
        stored = await engine.stored(scope.job_id)
        top = Text("It is gone.") if stored is None else await _job(engine, stored, now)
    else:
        query = Query(
            queues=frozenset({scope.queue}) if scope.queue is not None else frozenset(),
            group=scope.group_id,
        )
        top = _counts(dict(await engine.store.count(query)))
        if scope.group_id is not None:
            said = progress(await engine.group(scope.group_id))
            top = Text.assemble((scope.group_id, "bold"), f": {clean(said)}\n", top)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for one in latest:
        names = () if scope.job_id is not None else (one.stream[-12:],)
        table.add_row(f"{one.event.at:%H:%M:%S}", *names, Text(clean(told(one.event))))
    return Stack(top, Text(""), table)


async def _job(engine: Engine, stored: Stored, now: Instant) -> Text:
    (trust,) = await ExplainEngine(engine.store).freshness((stored,), now)
    job = stored.job
    head_line = Text.assemble("Job ", (job.id, "bold"), f" ({job.spec.kind}): ")
    head_line.append_text(status_text(job.status)).append(", ")
    head_line.append(str(trust.word), style=FRESHNESS[trust.word])
    history = await engine.history(job.id)
    return head_line.append(f"\n{clean(sentence(stored, history, now))}")


def _counts(counts: dict[Status, int]) -> Text:
    if not counts:
        return Text("No jobs.")
    parts = [
        Text.assemble(f"{counts[status]} ", status_text(status))
        for status in Status
        if status in counts
    ]
    return Text(" · ").join(parts)
