"""``parcae db``."""

from __future__ import annotations

import click

from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import write_json
from parcae_adapters.cli.session import Form, NotFound, Refused, Session


@click.group("db")
def command() -> None:
    """The database file itself."""


@verb("migrate")
@option("--dry-run", is_flag=True, help="Change nothing: list what would be done.")
async def migrate(session: Session, dry_run: bool) -> Exit:
    """Bring the tables up to date.

    Whatever opens the file does so by itself; this is for those who want it done before they
    deploy, while nobody waits. It is one transaction: all of it is done, or nothing.
    """
    if not session.exists:
        raise NotFound(f"there is no database {session.db!r}; name one with --db or PARCAE_DB")
    # The driver is loaded only where it is needed.
    from parcae_adapters.sqlite.health import health

    found = health(session.db)
    if not found.known:
        raise Refused(
            f"{session.db!r} has no tables of ours, or cannot be read; see: parcae doctor"
        )
    if found.unknown:
        names = ", ".join(found.unknown)
        raise Refused(f"{session.db!r}: written by a newer version of Parcae (it has {names})")
    if found.missing and not dry_run:
        async with session.engine():
            pass
    _tell(session, found.missing, dry_run)
    return Exit.OK


def _tell(session: Session, names: tuple[str, ...], dry_run: bool) -> None:
    if session.json:
        document = {"dry_run": dry_run, "migrations": list(names)}
        write_json(document, line=session.form is Form.JSONL)
    elif not names:
        click.echo("The tables are up to date.")
    else:
        done = "would be applied" if dry_run else "applied"
        for name in names:
            click.echo(f"{name}: {done}")


command.add_command(migrate)
