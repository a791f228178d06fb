"""``parcae reconcile``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click

from parcae.errors import Unavailable
from parcae.reconcile_engine import MOST, ReconcileEngine, Round, Settlement, until_settled
from parcae_adapters.cli.options import Duration, option, verb
from parcae_adapters.cli.output import clean, note, print_table, say, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.jobs import Record, iso


@verb("reconcile")
@option("--dry-run", is_flag=True, help="Change nothing: list exactly what would change, and why.")
@option(
    "--loop",
    type=Duration(),
    is_flag=False,
    flag_value="1s",
    default=None,
    metavar="[DURATION]",
    help="Again and again, with so long a pause (1s), until SIGTERM or Ctrl-C.",
)
@option("--limit", type=click.IntRange(min=1), metavar="N", help="So many jobs at the most.")
@option("--batch", type=click.IntRange(1, MOST), default=100, help="So many in one commit.")
async def command(
    session: Session, dry_run: bool, loop: timedelta | None, limit: int | None, batch: int
) -> None:
    """Settle what is overdue, and tell what became of it and why.

    Leases that have run out, hard timeouts, deadlines, cancels whose grace has passed, and jobs
    that have waited for too long. Every worker does this by the way; this is for where none lives.

    Jobs about which nothing is overdue are not touched, and several of these at once are safe.
    """
    if dry_run and loop is not None:
        raise click.UsageError("--dry-run looks once; leave out --loop.")
    async with session.engine() as engine:
        reconciler = ReconcileEngine(engine.store)
        if dry_run:
            _preview(session, await reconciler.preview(min(limit or MOST, MOST)))
        elif loop is None:
            await _once(session, reconciler, limit, batch)
        else:
            await _again(session, reconciler, limit, batch, loop)


def _preview(session: Session, found: Round) -> None:
    _write(session, [found], dry_run=True)
    if found.looked_at == MOST:
        note(f"Only the {MOST} that are overdue for the longest were looked at.")


async def _once(
    session: Session, reconciler: ReconcileEngine, limit: int | None, batch: int
) -> None:
    rounds: list[Round] = []
    # A stream says at once what was done: whoever is interrupted then knows what was.
    live = session.form is Form.JSONL
    tell = (lambda one: _lines([one])) if live else rounds.append
    await until_settled(reconciler, limit, batch, tell)
    if not live:
        _write(session, rounds, dry_run=False)


async def _again(
    session: Session,
    reconciler: ReconcileEngine,
    limit: int | None,
    batch: int,
    pause: timedelta,
) -> None:
    tell = (lambda one: _lines([one])) if session.json else _told
    note(f"Reconciling every {pause.total_seconds():g} s, until SIGTERM or Ctrl-C.")
    with _stopped_by_sigterm() as stopped:
        while not stopped.is_set():
            try:
                await until_settled(reconciler, limit, batch, tell)
            except Unavailable as error:
                say(f"{clean(str(error))}; repeating")
            try:
                await asyncio.wait_for(stopped.wait(), pause.total_seconds())
            except TimeoutError:
                continue


@contextmanager
def _stopped_by_sigterm() -> Iterator[asyncio.Event]:
    """SIGTERM ends the loop after the commit that is under way."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        yield stopped
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _write(session: Session, rounds: list[Round], *, dry_run: bool) -> None:
    settled = [one for found in rounds for one in found.settled]
    match session.form:
        case Form.JSON:
            write_json({"dry_run": dry_run, "settled": [record(one) for one in settled]})
        case Form.JSONL:
            _lines(rounds)
        case Form.TABLE:
            if settled:
                print_table(("JOB", "BEFORE", "AFTER", "WHY"), map(_row, settled))
            if not settled:
                note("Nothing is overdue.")
            elif dry_run:
                note(f"{len(settled)} would change; nothing was changed.")


def _lines(rounds: list[Round]) -> None:
    for one in (one for found in rounds for one in found.settled):
        write_json(record(one), line=True)


def _told(found: Round) -> None:
    for one in found.settled:
        stream, before, after, why = _row(one)
        click.echo(f"{found.now:%Y-%m-%d %H:%M:%S} {stream}: {before} → {after}: {clean(why)}")


def _row(one: Settlement) -> tuple[str, str, str, str]:
    return one.stream, one.before, one.after, " ".join(one.says)


def record(one: Settlement) -> Record:
    """What became of one job or group, as plain values."""
    return {
        "id": one.stream,
        "before": one.before,
        "after": one.after,
        "cause": None if one.cause is None else str(one.cause),
        "due": one.due.kind.name.lower() if one.due else None,
        "due_at": iso(one.due.at if one.due else None),
        "worker": one.worker,
        "heard_at": iso(one.heard_at),
        "says": list(one.says),
    }
