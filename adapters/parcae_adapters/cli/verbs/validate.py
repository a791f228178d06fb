"""``parcae validate``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from parcae import Jobs
from parcae.phrases import count
from parcae.validation import Misfit, validate
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import Duration, arranged, common, option
from parcae_adapters.cli.output import clean, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.cli.stops import StopWait, chosen, stop_waits
from parcae_adapters.cli.targets import Target


@click.command("validate")
@click.argument("jobs", metavar="MODULE:JOBS", type=Target())
@option(
    "--stop-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What stops the worker: a systemd unit, Kubernetes manifests or a compose file.",
)
@option("--service", help="Which service of that file runs the worker.")
@option("--stop", type=Duration(), metavar="DURATION", help="In place of a file: so long.")
@option("--drain", type=Duration(), metavar="DURATION", help="What the worker is started with.")
@option("--rerun", type=Duration(), metavar="DURATION", help="Something else runs it again then.")
@common
@click.pass_obj
def command(
    session: Session,
    /,
    jobs: Jobs,
    stop_config: Path | None,
    service: str | None,
    stop: timedelta | None,
    **durations: timedelta | None,
) -> Exit:
    """Say which durations do not fit together.

    Those of the definitions in MODULE:JOBS, with each other and with how long a stopping worker
    is given. Each finding names both numbers, why it hurts, and the smallest change that mends it.
    Exit code 8: one of them is an error.
    """
    found = None if stop_config is None else _read(stop_config, service)
    if found is not None:
        if stop is not None:
            raise click.UsageError("--stop and --stop-config say the same thing.")
        stop = found.wait
    misfits = validate(jobs, stop=stop, **durations)
    _write(session, jobs, misfits, found)
    wrong = any(one.finding.error for one in misfits)
    return Exit.UNHEALTHY if wrong else Exit.OK


def _read(path: Path, service: str | None) -> StopWait:
    try:
        return chosen(stop_waits(path), service)
    except ValueError as error:
        raise click.UsageError(f"{path}: {error}.") from error


def _write(
    session: Session, jobs: Jobs, misfits: tuple[Misfit, ...], found: StopWait | None
) -> None:
    if session.json:
        write_json(_document(jobs, misfits, found), line=session.form is Form.JSONL)
        return
    if found is not None:
        by_itself = "" if found.given else ", which is what the system does by itself"
        wait = "for ever" if found.wait is None else f"{found.wait}"
        click.echo(f"{clean(found.service)} is given {wait} to stop{by_itself}.")
    for one in misfits:
        kind, finding = clean(one.kind), one.finding
        level = "error" if finding.error else "warning"
        click.echo(f"{level}: {kind}: {finding.message}. Mend it by {finding.fix}.")
    verdict = count(len(misfits), "finding") if misfits else "all durations fit together"
    click.echo(f"{count(len(jobs.kinds), 'definition')}: {verdict}")


def _document(jobs: Jobs, misfits: tuple[Misfit, ...], found: StopWait | None) -> dict[str, Any]:
    stop = None
    if found is not None:
        wait = None if found.wait is None else found.wait.total_seconds()
        stop = {"service": found.service, "seconds": wait, "given": found.given}
    return {
        "ok": not any(one.finding.error for one in misfits),
        "kinds": sorted(jobs.kinds),
        "stop": stop,
        "findings": [
            {
                "kind": one.kind,
                "rule": one.finding.rule,
                "error": one.finding.error,
                "message": one.finding.message,
                "fix": one.finding.fix,
            }
            for one in misfits
        ],
    }


arranged(command, without=("db",))
