"""``parcae import``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from parcae.archive import Line
from parcae.archive_engine import ArchiveEngine
from parcae.errors import Corrupt
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, Session


@verb("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--dry-run", is_flag=True, help="Only check the file, and whether it fits.")
@option(
    "--resume", is_flag=True, help="Pass over what an interrupted import of this file has stored."
)
async def command(session: Session, file: Path, dry_run: bool, resume: bool) -> None:
    """Restore the histories of FILE, which export has written.

    All of them are folded again before anything is written. What is there already is refused, and
    then nothing is written. Each history is stored whole or not at all, and gets new positions in
    the log, in the order of the file. Let no worker run meanwhile, neither here nor where the file
    comes from: jobs that have not ended would run twice.
    """

    def lines() -> Iterator[Line]:
        return _lines(file)

    async with session.engine(create=True) as engine:
        archive = ArchiveEngine(engine.store)
        plan = await archive.check(lines, resume=resume)
        left = len(plan.streams) - len(plan.present)
        count = left if dry_run else await archive.restore(lines, plan)
    if session.json:
        write_json({"dry_run": dry_run, "histories": count}, line=session.form is Form.JSONL)
    else:
        click.echo(f"{count} histories {'could be' if dry_run else 'were'} restored.")


def _lines(file: Path) -> Iterator[Line]:
    with file.open(encoding="utf-8") as stream:
        for number, text in enumerate(stream, 1):
            try:
                found = json.loads(text)
            except ValueError as error:
                raise Corrupt(f"{file}: line {number} is no JSON: {error}") from error
            if not isinstance(found, dict):
                raise Corrupt(f"{file}: line {number} is no object")
            yield found
