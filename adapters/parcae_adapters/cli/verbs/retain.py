"""``parcae retain``."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from parcae import Status
from parcae.phrases import count
from parcae.retention import Retention, Verdict
from parcae.retention_engine import RetentionEngine, Swept
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import Duration, option, verb
from parcae_adapters.cli.output import note, print_table, status_text, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.jobs import Record, iso


def _kept(status: Status) -> str:
    return f"Keep a {status} job so long after its end; without this option, for ever."


@verb("retain")
@option("--completed", type=Duration(), metavar="DURATION", help=_kept(Status.COMPLETED))
@option("--failed", type=Duration(), metavar="DURATION", help=_kept(Status.FAILED))
@option("--cancelled", type=Duration(), metavar="DURATION", help=_kept(Status.CANCELLED))
@option("--compensated", type=Duration(), metavar="DURATION", help=_kept(Status.COMPENSATED))
@option("--quarantined", type=Duration(), metavar="DURATION", help=_kept(Status.QUARANTINED))
@option("--batch", type=click.IntRange(1, 1_000), default=100, help="Look at so many in a commit.")
@option("--dry-run", is_flag=True, help="Delete nothing: list exactly what would go.")
@option("--yes", is_flag=True, help="Do not ask.")
async def command(
    session: Session, batch: int, dry_run: bool, yes: bool, **kept: timedelta | None
) -> Exit:
    """Delete ended jobs that were kept for long enough.

    By outcome and age. Whatever a waiting job or an unended group still needs is kept, and so is
    what is under a legal hold. The log then says that a job was deleted, with its id alone.

    Idempotency keys outlive the jobs: they are deleted a day after they have expired, as any worker
    does by the way.

        parcae retain --completed 30d --failed 90d --dry-run
    """
    try:
        policy = Retention(**kept)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    if not policy.statuses:
        raise click.UsageError("Say which outcomes to delete, and after how long: --completed 30d.")
    if not (dry_run or yes):
        _ask()
    verdicts: list[Verdict] = []
    async with session.engine() as engine:
        retention, cursor = RetentionEngine(engine.store), ""
        while True:
            swept: Swept = await retention.sweep(policy, batch, cursor=cursor, dry_run=dry_run)
            verdicts += swept.verdicts
            cursor = swept.cursor
            if not cursor:
                break
        keys = 0 if dry_run else await _expire(retention)
    _write(session, verdicts, keys, dry_run)
    return Exit.OK


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Deleting asks first: say --yes, or look with --dry-run.")
    click.confirm("What is deleted is gone for good. Go on?", abort=True, err=True)


async def _expire(retention: RetentionEngine) -> int:
    """Delete the keys that are over, batch by batch; how many."""
    deleted = 0
    while some := await retention.expire_keys():
        deleted += some
    return deleted


def _write(session: Session, verdicts: list[Verdict], keys: int, dry_run: bool) -> None:
    match session.form:
        case Form.JSON:
            gone = [_record(one) for one in verdicts if one.kept is None]
            kept = [_record(one) for one in verdicts if one.kept is not None]
            write_json({"dry_run": dry_run, "deleted": gone, "kept": kept, "keys": keys})
        case Form.JSONL:
            for one in verdicts:
                write_json({"dry_run": dry_run, **_record(one)}, line=True)
        case Form.TABLE:
            _table(verdicts, keys, dry_run)


def _record(one: Verdict) -> Record:
    return {
        "id": one.job_id,
        "status": str(one.status),
        "ended_at": iso(one.ended_at),
        "deleted": one.kept is None,
        "kept": one.kept,
    }


def _table(verdicts: list[Verdict], keys: int, dry_run: bool) -> None:
    would = "would be deleted" if dry_run else "deleted"
    shown = [one for one in verdicts if dry_run or one.kept is not None]
    if shown:
        rows = [
            (
                one.job_id,
                status_text(one.status),
                f"{one.ended_at:%Y-%m-%d %H:%M}",
                would if one.kept is None else f"kept: {one.kept}",
            )
            for one in shown
        ]
        print_table(("JOB", "STATUS", "ENDED", "VERDICT"), rows)
    gone = sum(one.kept is None for one in verdicts)
    note(f"{count(gone, 'job')} {would}, {len(verdicts) - gone} kept though old.")
    if keys:
        note(f"{count(keys, 'key')} deleted that {'was' if keys == 1 else 'were'} over a day ago.")
