"""``parcae queue``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from parcae import Queue
from parcae.measures import QueueStatistics, Statistics
from parcae.phrases import span
from parcae.queues import queue_stream
from parcae.telling import tell_aggregate
from parcae_adapters.cli import queues as show
from parcae_adapters.cli.options import Duration, asker, by_option, option, verb
from parcae_adapters.cli.output import note, print_table, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records import queues as plain
from parcae_adapters.records.jobs import happened

queue_argument = click.argument("queue", metavar="QUEUE")
key_option = option("--key", help="Of this key alone.")
each_option = option("--each-key", is_flag=True, help="Of each key that has no bound of its own.")


@click.group("queue")
def command() -> None:
    """How full queues are, and what bounds them: limits, rates, pauses.

    What is set holds from then on, for all workers, and is on record with who asked for it.
    """


@verb("list")
async def list_queues(session: Session) -> None:
    """List the queues, the one with the most jobs first: how full they are."""
    async with session.engine() as engine:
        found = await engine.stats(sample=0)
    if session.form is Form.JSON:
        write_json(plain.everything(found))
    elif session.form is Form.JSONL:
        for one in found.queues:
            write_json(plain.of_queue(one), line=True)
    elif not found.queues:
        note("No queue has jobs, or anything set for it.")
    else:
        rows = [show.row(one.whole, one.queue.name, one.queue) for one in found.queues]
        print_table(show.COLUMNS, rows)
        _say_the_rest(found)


@verb("stats")
@click.argument("queue", metavar="[QUEUE]", required=False)
@option(
    "--window",
    type=Duration(),
    default="15m",
    metavar="DURATION",
    help="Count the ends since so long ago.",
)
@option(
    "--sample",
    type=click.IntRange(0, 10_000),
    default=1_000,
    help="Take the times of so many jobs, those that ended last.",
)
@option("--limit", type=click.IntRange(1, 1_000), default=20, help="Show so many keys at the most.")
async def stats(
    session: Session, queue: str | None, window: timedelta, sample: int, limit: int
) -> None:
    """Count what waits, runs and ends in QUEUE, key by key, and how long that took.

    All of one instant. Where nothing was measured there is a dash. Without QUEUE: all of them.
    """
    async with session.engine() as engine:
        try:
            found = await engine.stats(queue, window=window, sample=sample, lines=limit)
        except ValueError as error:
            raise click.UsageError(f"{error}.") from error
    if session.form is Form.JSON:
        write_json(plain.everything(found))
    elif session.form is Form.JSONL:
        for one in found.queues:
            write_json(plain.of_queue(one), line=True)
    elif queue is not None and not found.queues:
        note(f"Queue {queue} has no jobs, and nothing is set for it.")
    else:
        _tell(found)


def _tell(found: Statistics) -> None:
    for one in found.queues:
        click.echo(f"Queue {one.queue.name}: {show.words(one.queue)}.")
    click.echo()
    print_table(show.COLUMNS, [row for one in found.queues for row in _rows(one)])
    click.echo()
    times = [
        show.times(line, _name(one, line.key))
        for one in found.queues
        for line in (one.whole, *_keys(one))
    ]
    print_table(show.TIMES, times)
    note(
        f"Ends of the last {span(found.window)}; times of the {found.sample} jobs that ended last."
    )
    _say_the_rest(found)


def _rows(one: QueueStatistics) -> list[tuple[str, ...]]:
    lines = (one.whole, *_keys(one))
    return [show.row(line, _name(one, line.key), one.queue) for line in lines]


def _keys(one: QueueStatistics) -> tuple[Any, ...]:
    """Its keys, where it has any: one lane without a key is the queue itself."""
    return one.keys if any(line.key for line in one.keys) else ()


def _name(one: QueueStatistics, key: str | None) -> str:
    return one.queue.name if key is None else f"{one.queue.name}/{key}"


def _say_the_rest(found: Statistics) -> None:
    if found.more_queues or found.more_lanes:
        note(
            f"Not shown: {found.more_queues} queues and {found.more_lanes} keys with fewer jobs. "
            "They count in the sums of their queues."
        )


@verb("pause")
@queue_argument
@by_option
async def pause(session: Session, queue: str, by: str | None) -> None:
    """Start nothing from QUEUE any more; what runs goes on, and undos are still done."""
    async with session.engine(create=True) as engine:
        _tell_settings(session, await engine.pause(_named(queue), by=asker(by)))


@verb("resume")
@queue_argument
@by_option
async def resume(session: Session, queue: str, by: str | None) -> None:
    """Start jobs of QUEUE again."""
    async with session.engine(create=True) as engine:
        _tell_settings(session, await engine.resume_queue(_named(queue), by=asker(by)))


class Number(click.ParamType):  # type: ignore[type-arg]  # click 8.2 knows none
    """A whole number from 1 on, or ``none``."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """``none`` takes a bound away."""
        if value == "none":
            return None
        number = click.IntRange(1, 1_000_000).convert(value, param, ctx)
        return int(number)


@verb("limit")
@queue_argument
@click.argument("number", metavar="N|none", type=Number())
@key_option
@each_option
@by_option
async def limit(
    session: Session,
    queue: str,
    number: int | None,
    key: str | None,
    each_key: bool,
    by: str | None,
) -> None:
    """Let at most N jobs of QUEUE run at once.

    Lowering it stops nothing that runs. ``none`` takes it away.
    """
    async with session.engine(create=True) as engine:
        done = await engine.limit(_named(queue), number, key=key, each=each_key, by=asker(by))
    _tell_settings(session, done)


@verb("rate")
@queue_argument
@click.argument("number", metavar="N|none", type=Number())
@option("--per", type=Duration(), default="1s", metavar="DURATION", help="N starts in so long.")
@option("--burst", type=click.IntRange(1, 1_000_000), default=1, help="So many of them at once.")
@key_option
@each_option
@by_option
async def rate(session: Session, queue: str, number: int | None, **options: Any) -> None:
    """Let jobs of QUEUE start at most N times in a second, or in --per.

    ``none`` takes it away.
    """
    async with session.engine(create=True) as engine:
        try:
            done = await engine.rate(
                _named(queue),
                number,
                options["per"],
                burst=options["burst"],
                key=options["key"],
                each=options["each_key"],
                by=asker(options["by"]),
            )
        except ValueError as error:
            raise click.UsageError(f"{error}.") from error
    _tell_settings(session, done)


@verb("aging")
@queue_argument
@click.argument("places", metavar="PLACES|none", type=Number())
@by_option
async def aging(session: Session, queue: str, places: int | None, by: str | None) -> None:
    """Let a level of priority in QUEUE be worth PLACES in line, so that nobody starves.

    ``none``: a greater priority always goes first.
    """
    async with session.engine(create=True) as engine:
        _tell_settings(session, await engine.aging(_named(queue), places, by=asker(by)))


@verb("history")
@queue_argument
async def history(session: Session, queue: str) -> None:
    """Tell what was set for QUEUE, when, and by whom."""
    async with session.engine() as engine:
        found = await engine.store.record(queue_stream(queue))
    if session.form is Form.JSON:
        write_json({"queue": queue, "history": [happened(one) for one in found]})
    elif session.form is Form.JSONL:
        for one in found:
            write_json(happened(one), line=True)
    elif not found:
        note("Nothing was ever set for it.")
    else:
        rows = (
            (f"{one.event.at:%Y-%m-%d %H:%M:%S} UTC", tell_aggregate(one.event)) for one in found
        )
        print_table(("WHEN", "HISTORY"), rows)


def _named(queue: str) -> str:
    if not queue or len(queue) > 200 or not queue.isprintable():
        raise click.UsageError(f"{queue!r} can be no queue: 1 to 200 printable characters.")
    return queue


def _tell_settings(session: Session, queue: Queue) -> None:
    if session.json:
        write_json(plain.settings(queue), line=session.form is Form.JSONL)
    else:
        click.echo(f"Queue {queue.name}: {show.words(queue)}.")


for _one in (list_queues, stats, pause, resume, limit, rate, aging, history):
    command.add_command(_one)
