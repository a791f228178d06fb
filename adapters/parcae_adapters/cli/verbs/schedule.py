"""``parcae schedule``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click

from parcae import Jobs, Reason, Rejected
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import GRACE, Missed, Schedule, schedule_stream
from parcae.telling import tell_aggregate
from parcae_adapters.cli import schedules as show
from parcae_adapters.cli.options import Duration, asker, by_option, option, verb
from parcae_adapters.cli.output import clean, note, print_table, write_json
from parcae_adapters.cli.session import Form, NotFound, Session
from parcae_adapters.cli.targets import Target, request
from parcae_adapters.records.jobs import happened
from parcae_adapters.records.schedules import record

name_argument = click.argument("name", metavar="SCHEDULE")


@click.group("schedule")
def command() -> None:
    """Jobs that are admitted again and again, at the ticks of a cron expression.

    Any worker admits them, as long as one is there; each tick gets one job at the most.
    """


@asynccontextmanager
async def _scheduler(session: Session, *, create: bool = False) -> AsyncIterator[SchedulerEngine]:
    # The driver is loaded only where it is needed.
    from parcae_adapters.cron import CronCalendar

    async with session.engine(create=create) as engine:
        try:
            yield SchedulerEngine(engine.store, CronCalendar())
        except ValueError as error:
            raise click.UsageError(f"{error}.") from error
        except Rejected as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            raise NotFound(f"{error}; see: parcae schedule list") from error


@verb("list")
async def list_schedules(session: Session) -> None:
    """List the schedules by name: when each is due next, and how many jobs it has admitted."""
    async with _scheduler(session) as scheduler:
        found = await scheduler.schedules()
    if session.form is Form.JSON:
        write_json({"schedules": [record(one) for one in found]})
    elif session.form is Form.JSONL:
        for one in found:
            write_json(record(one), line=True)
    elif not found:
        note("There is no schedule; see: parcae schedule set --help")
    else:
        print_table(show.COLUMNS, [show.row(one) for one in found])


@verb("set")
@name_argument
@click.argument("jobs", metavar="MODULE:JOBS", type=Target())
@click.argument("kind")
@click.argument("args", nargs=-1)
@option("--cron", required=True, help="Minute, hour, day of the month, month, day of the week.")
@option("--zone", default="UTC", help="The time zone that they are meant in.")
@option(
    "--missed",
    type=click.Choice([one.value for one in Missed]),
    default=Missed.ONCE.value,
    help="Of ticks at which no worker was there: none gets a job, one job for all, or each one.",
)
@option(
    "--at-most", type=click.IntRange(1, 1_000), default=10, help="With all: the latest so many."
)
@option(
    "--grace",
    type=Duration(),
    default=f"{GRACE.total_seconds():.0f}s",
    metavar="DURATION",
    help="With skip: how late a tick still gets its job.",
)
@by_option
async def set_schedule(
    session: Session,
    name: str,
    jobs: Jobs,
    kind: str,
    args: tuple[str, ...],
    by: str | None,
    **plan: Any,
) -> None:
    """Admit a job of KIND at each tick of --cron.

    ARGS are the handlers' arguments, as with parcae submit. The same again changes nothing.

        parcae schedule set nightly --cron '30 2 * * *' --zone Europe/Berlin shop:jobs report
    """
    asked = request(jobs, kind, args)
    async with _scheduler(session, create=True) as scheduler:
        done = await scheduler.schedule(name, asked, **plan, by=asker(by))
    _tell(session, done)


@verb("pause")
@name_argument
@by_option
async def pause(session: Session, name: str, by: str | None) -> None:
    """Let no tick of SCHEDULE count until it is resumed."""
    async with _scheduler(session) as scheduler:
        done = await scheduler.pause_schedule(name, by=asker(by))
    _tell(session, done)


@verb("resume")
@name_argument
@by_option
async def resume(session: Session, name: str, by: str | None) -> None:
    """Let ticks of SCHEDULE count again, from now on: those of the pause are not made up for."""
    async with _scheduler(session) as scheduler:
        done = await scheduler.resume_schedule(name, by=asker(by))
    _tell(session, done)


@verb("remove")
@name_argument
@by_option
async def remove(session: Session, name: str, by: str | None) -> None:
    """Let SCHEDULE go; the jobs that it has admitted are not touched."""
    async with _scheduler(session) as scheduler:
        done = await scheduler.remove_schedule(name, by=asker(by))
    _tell(session, done)


@verb("history")
@name_argument
async def history(session: Session, name: str) -> None:
    """Tell what was set for SCHEDULE, by whom, and which ticks got jobs."""
    async with session.engine() as engine:
        found = await engine.store.record(schedule_stream(name))
    if session.form is Form.JSON:
        write_json({"schedule": name, "history": [happened(one) for one in found]})
    elif session.form is Form.JSONL:
        for one in found:
            write_json(happened(one), line=True)
    elif not found:
        raise NotFound(f"there is no schedule {name!r}; see: parcae schedule list")
    else:
        rows = (
            (f"{one.event.at:%Y-%m-%d %H:%M:%S} UTC", tell_aggregate(one.event)) for one in found
        )
        print_table(("WHEN", "HISTORY"), rows)


def _tell(session: Session, schedule: Schedule) -> None:
    if session.json:
        write_json(record(schedule), line=session.form is Form.JSONL)
    else:
        click.echo(clean(show.words(schedule)))


for _one in (list_schedules, set_schedule, pause, resume, remove, history):
    command.add_command(_one)
