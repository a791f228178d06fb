"""``parcae group``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta

import click
from rich.text import Text

from parcae import Engine, Group, GroupId, Query, Status
from parcae.change import AggregateEvent
from parcae.phrases import span
from parcae.ports import Recorded
from parcae.state import Ended
from parcae.telling import progress, tell_aggregate
from parcae.values import TERMINAL, StreamId
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.groups import group_id
from parcae_adapters.cli.options import Duration, asker, by_option, option, verb
from parcae_adapters.cli.output import console, note, print_table, status_text, write_json
from parcae_adapters.cli.session import Form, NotFound, Refused, Session
from parcae_adapters.records.groups import brief_group
from parcae_adapters.records.jobs import Record, happened

group_argument = click.argument("group", metavar="GROUP")


@click.group("group")
def command() -> None:
    """Graphs and batches: jobs that were admitted together and have one end in common."""


PAGE = 1_000
SHORTEST = 4
"""Characters of an id that are enough to look for it, besides the prefix."""


async def _every(engine: Engine) -> list[Group]:
    """All groups, the oldest first: their names grow with time."""
    found: list[Group] = []
    # The names of groups come before those of queues, and nothing else comes between.
    after = "group/"
    while page := await engine.store.aggregates(after, PAGE):
        groups = [one for one in page if isinstance(one, Group)]
        found += groups
        if len(groups) < len(page) or len(page) < PAGE:
            break
        after = groups[-1].id
    return found


async def group_named(engine: Engine, name: str) -> GroupId:
    """The id of the group called ``name``: its id, or as much of its beginning as no other has.

    Raises:
        NotFound: there is none.
        Refused: there are several.
    """
    wanted = group_id(name)
    if isinstance(await engine.store.aggregate(StreamId(wanted)), Group):
        return wanted
    short = len(wanted) < len("group/") + SHORTEST
    found = [] if short else [one.id for one in await _every(engine) if one.id.startswith(wanted)]
    if not found:
        raise NotFound(f"there is no group {name!r}; see: parcae group list")
    if len(found) > 1:
        raise Refused(f"{name!r} could be {found[0]} or {found[1]}; give more of the id")
    return found[0]


@verb("list")
@option("--open", "unended", is_flag=True, help="Only those that have not ended.")
@option("--limit", type=click.IntRange(1, 1_000), default=20, help="So many at the most.")
async def list_groups(session: Session, unended: bool, limit: int) -> None:
    """List graphs and batches, newest first."""
    async with session.engine() as engine:
        groups = await _every(engine)
        now = engine.store.clock.now()
    wanted = [one for one in groups if one.status is None or not unended]
    shown = list(deque(wanted, maxlen=limit))[::-1]
    match session.form:
        case Form.JSON:
            write_json({"groups": [brief_group(one) for one in shown], "total": len(wanted)})
        case Form.JSONL:
            for one in shown:
                write_json(brief_group(one), line=True)
        case Form.TABLE:
            if not shown:
                note("No such group.")
                return
            rows = ((one.id, _state(one), span(now - one.opened_at), _says(one)) for one in shown)
            print_table(("GROUP", "STATE", "AGE", "WHY"), rows)


def _state(group: Group) -> Text:
    if group.status is not None:
        return status_text(group.status)
    return Text(type(group.state).__name__.lower())


def _says(group: Group) -> str:
    return f"{group.label}: {progress(group)}" if group.label else progress(group)


@verb("show")
@group_argument
@option("--history", is_flag=True, help="And everything that happened to it.")
async def show(session: Session, group: str, history: bool) -> None:
    """Tell how far GROUP is: its jobs by status, and its end.

    GROUP is an id, or as much of one as is unique. With --jsonl: its history, one event a line.
    """
    async with session.engine() as engine:
        name = await group_named(engine, group)
        found = await engine.group(name)
        counts = await engine.store.count(Query(group=name))
        wanted = history or session.form is Form.JSONL
        events = await engine.store.record(StreamId(name)) if wanted else ()
    match session.form:
        case Form.JSON:
            more = {"history": [happened(one) for one in events]} if history else {}
            write_json({**brief_group(found), "jobs": _counts(counts.items()), **more})
        case Form.JSONL:
            for one in events:
                write_json(happened(one), line=True)
        case Form.TABLE:
            _tell(found, tuple(counts.items()), events)


def _counts(counts: Iterable[tuple[Status, int]]) -> Record:
    return {str(status): number for status, number in counts}


def _tell(
    group: Group,
    counts: Sequence[tuple[Status, int]],
    events: Sequence[Recorded[AggregateEvent]],
) -> None:
    out = console()
    out.print(Text.assemble("Group ", (group.id, "bold"), ": ", _state(group)))
    click.echo(_says(group))
    click.echo()
    print_table(("STATUS", "JOBS"), ((status_text(one), str(number)) for one, number in counts))
    note(f"The jobs: parcae list --group {group.id}")
    if events:
        click.echo()
        first = group.opened_at
        rows = (
            (f"+{(one.event.at - first).total_seconds():.3f} s", tell_aggregate(one.event))
            for one in events
        )
        print_table((f"{first:%Y-%m-%d %H:%M:%S} UTC", "HISTORY"), rows)


@verb("cancel")
@group_argument
@by_option
@option("--reason", default="", help="Why, for the record.")
async def cancel(session: Session, group: str, by: str | None, reason: str) -> Exit:
    """Ask all jobs of GROUP to stop; where it compensates, what they did is undone.

    One that has ended stays as it is (exit code 5).
    """
    async with session.engine() as engine:
        name = await group_named(engine, group)
        before = await engine.group(name)
        found = await engine.cancel_group(name, by=asker(by), reason=reason)
    if session.json:
        write_json(brief_group(found), line=session.form is Form.JSONL)
    elif before.status is not None:
        click.echo(f"It had already ended, and stays as it is. {progress(found)}")
    else:
        click.echo(progress(found))
    return Exit.OK if before.status is None else Exit.CONFLICT


@verb("wait")
@group_argument
@option("--timeout", type=Duration(), metavar="DURATION", help="No longer than this: 90s, 15m, 2h.")
async def wait(session: Session, group: str, timeout: timedelta | None) -> Exit:  # noqa: ASYNC109 - on the store's clock
    """Wait for the end of GROUP, and say how it ended.

    The exit code tells: 0 all its jobs completed, 3 it ended badly, 6 it did and the reconciler
    ended at least one of its jobs, which was lost, 7 it has not ended yet.
    """
    async with session.engine() as engine:
        name = await group_named(engine, group)
        outcome = await engine.wait_for_group(name, timeout)
        found = await engine.group(name)
        lost = not outcome.completed and await lost_in(engine, name)
    if session.json:
        write_json({**brief_group(found), "lost": lost}, line=session.form is Form.JSONL)
    else:
        click.echo(f"{outcome.status}: {progress(found)}")
    if outcome.completed:
        return Exit.OK
    return Exit.JOB_LOST if lost else Exit.JOB_FAILED


BAD = frozenset(TERMINAL - {Status.COMPLETED})


async def lost_in(engine: Engine, group: GroupId) -> bool:
    """Whether the reconciler, and no handler, established the bad end of some member."""
    cursor = ""
    while True:
        page = await engine.find(Query(group=group, statuses=BAD, limit=PAGE, cursor=cursor))
        states = (one.job.state for one in page.jobs)
        if any(isinstance(one, Ended) and one.reconciled for one in states):
            return True
        cursor = page.cursor
        if not cursor:
            return False


for _one in (list_groups, show, cancel, wait):
    command.add_command(_one)
