"""``parcae deploy``."""

from __future__ import annotations

from typing import Any

import click

from parcae import Jobs
from parcae.deploys import Aside, DeployEngine, Fate
from parcae.phrases import count
from parcae.strays import Deploy, Stray
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import asker, by_option, option, verb
from parcae_adapters.cli.output import clean, note, print_table, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.cli.targets import Target


@verb("deploy")
@click.argument("jobs", metavar="MODULE:JOBS", type=Target())
@option("--kind", multiple=True, help="Of this kind only. May be repeated.")
@option("--quarantine", is_flag=True, help="Put them before a person; needs --kind.")
@option("--migrate", is_flag=True, help="Give them the shape of today, as their functions say.")
@option("--dry-run", is_flag=True, help="With one of these: list exactly what would change.")
@by_option
async def command(
    session: Session,
    jobs: Jobs,
    kind: tuple[str, ...],
    quarantine: bool,
    migrate: bool,
    dry_run: bool,
    by: str | None,
) -> Exit:
    """Hold the living jobs against the code that is to run them.

    Which of them were admitted with other phases than MODULE:JOBS defines today, what that means
    for them, and what to choose: a worker does not start before somebody has. Exit code 8: so it
    is now.

    With --quarantine those of a kind that nobody holds end quarantined, with what they owe; those
    that wait for others are left until their turn has come.

    With --migrate those that nobody holds, and for whose version the code has a function, take
    the shape of today. A job that would lose something by it is left as it is, with the reason.
    """
    unknown = sorted(set(kind) - jobs.kinds)
    if unknown:
        raise click.UsageError(f"MODULE:JOBS does not define {', '.join(unknown)}.")
    if quarantine and not kind:
        raise click.UsageError("--quarantine needs --kind: name what is to be put aside.")
    if quarantine and migrate:
        raise click.UsageError("--quarantine and --migrate exclude each other.")
    if dry_run and not (quarantine or migrate):
        raise click.UsageError(
            "--dry-run belongs to --quarantine and --migrate; without them nothing is changed."
        )
    moving = [one for one in sorted(kind or jobs.kinds) if jobs[one].migrations]
    if migrate and not moving:
        raise click.UsageError("--migrate needs a definition that has a function for it.")
    async with session.engine() as engine:
        deploys = DeployEngine(engine.store)
        if quarantine:
            asked = deploys.quarantine(jobs, kind, by=asker(by), dry_run=dry_run)
            _write_aside(session, [one async for one in asked], Fate.QUARANTINED, dry_run)
            return Exit.OK
        try:
            if migrate:
                asked = deploys.migrate(jobs, moving, by=asker(by), dry_run=dry_run)
                _write_aside(session, [one async for one in asked], Fate.MIGRATED, dry_run)
                return Exit.OK
            found = await deploys.look(jobs, kind or None)
        except ValueError as broken:
            raise click.UsageError(f"{broken}.") from broken
    _write(session, found)
    return Exit.UNHEALTHY if found.errors else Exit.OK


def _write(session: Session, found: Deploy) -> None:
    if session.json:
        write_json(_document(found), line=session.form is Form.JSONL)
        return
    for one in found.strays:
        click.echo(f"{'error' if one.error else 'note'}: {clean(str(one))}.")
    if not found.complete:
        note("There are more, which were not looked at; a worker looks at each before it runs it.")
    verdict = count(len(found.strays), "finding") if found.strays else "all of today's phases"
    click.echo(f"{count(found.looked_at, 'living job')}: {verdict}")


def _document(found: Deploy) -> dict[str, Any]:
    return {
        "ok": not found.errors,
        "looked_at": found.looked_at,
        "complete": found.complete,
        "findings": [_finding(one) for one in found.strays],
    }


def _finding(one: Stray) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "version": one.version,
        "now": one.now,
        "choice": str(one.choice),
        "error": one.error,
        "jobs": one.jobs,
        "held": one.held,
        "migrate": one.migrate,
        "unfit": list(one.unfit),
        "examples": list(one.examples),
        "lacks": list(one.lacks),
        "differences": [
            {
                "kind": str(each.kind),
                "phase": each.phase or None,
                "job": each.job,
                "now": each.now,
                "means": each.means,
            }
            for each in one.differences
        ],
        "fix": one.fix,
    }


def _write_aside(session: Session, found: list[Aside], wanted: Fate, dry_run: bool) -> None:
    records = [
        {
            "id": one.job_id,
            "kind": one.kind,
            "before": str(one.before),
            "fate": str(one.fate),
            "why": one.why,
        }
        for one in found
    ]
    if session.form is Form.JSON:
        write_json({"dry_run": dry_run, "jobs": records})
    elif session.form is Form.JSONL:
        for each in records:
            write_json(each, line=True)
    else:
        _tell_aside(found, wanted, dry_run)


def _tell_aside(found: list[Aside], wanted: Fate, dry_run: bool) -> None:
    if found:
        rows = ((one.job_id, str(one.before), str(one.fate), one.why) for one in found)
        print_table(("JOB", "BEFORE", "FATE", "WHY"), rows)
    put = sum(one.fate is wanted for one in found)
    if dry_run:
        note(f"{put} would be {wanted}; nothing was changed.")
    else:
        note(f"{put} {wanted}, {len(found) - put} left alone.")
