"""``parcae token``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from parcae_adapters.cli.options import Duration, common, option
from parcae_adapters.cli.output import note, print_table, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.records.jobs import Record, iso

if TYPE_CHECKING:
    from parcae_adapters.http.access import Grant

SCOPES = ("read", "operate", "work", "admin")

file_option = option(
    "--tokens",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    default=Path("tokens.toml"),
    envvar="PARCAE_TOKENS",
    help="The file of tokens.",
)


@click.group("token")
def command() -> None:
    """Who may ask a server for what: make, list and revoke tokens.

    A running server reads the file again when it has changed.
    """


@command.command("new")
@click.argument("name")
@option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=("read",),
    help="What it is good for. May be repeated. operate includes read; admin is all.",
)
@option("--expires", type=Duration(), metavar="DURATION", help="Good for so long only.")
@file_option
@common
@click.pass_obj
def new(
    session: Session,
    /,
    name: str,
    scopes: Sequence[str],
    expires: timedelta | None,
    tokens: Path,
) -> None:
    """Make a token for NAME, and print it: it is kept nowhere.

    NAME stands in the record of whatever is done with it. To rotate, make another of the same
    name, hand it out, and revoke the old one by its id.
    """
    from parcae_adapters.http.route import Scope
    from parcae_adapters.http.tokens import add

    until = None if expires is None else datetime.now(UTC) + expires
    try:
        token = add(tokens, name, tuple(Scope(one) for one in scopes), until)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{error}.") from error
    if session.json:
        write_json({"name": name, "token": token}, line=session.form is Form.JSONL)
    else:
        click.echo(token)


@command.command("list")
@file_option
@common
@click.pass_obj
def list_tokens(session: Session, /, tokens: Path) -> None:
    """List the tokens: names, scopes, ids; never the tokens themselves."""
    from parcae_adapters.http.tokens import read

    try:
        found = [_record(one) for one in read(tokens)]
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    match session.form:
        case Form.JSON:
            write_json({"tokens": found})
        case Form.JSONL:
            for one in found:
                write_json(one, line=True)
        case Form.TABLE:
            rows = [
                (one["name"], one["id"], ", ".join(one["scopes"]), one["expires"] or "never")
                for one in found
            ]
            print_table(("NAME", "ID", "SCOPES", "EXPIRES"), rows)


@command.command("revoke")
@click.argument("name")
@option("--id", "identity", metavar="ID", help="This one only; see parcae token list.")
@file_option
@common
@click.pass_obj
def revoke_tokens(session: Session, /, name: str, identity: str | None, tokens: Path) -> None:
    """Make the tokens of NAME good for nothing."""
    from parcae_adapters.http.tokens import revoke

    try:
        gone = revoke(tokens, name, identity)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    if session.json:
        write_json({"revoked": [_record(one) for one in gone]}, line=session.form is Form.JSONL)
    else:
        note(f"{len(gone)} revoked; a running server knows within a second.")


def _record(grant: Grant) -> Record:
    from parcae_adapters.http.tokens import ID_LENGTH

    return {
        "name": grant.name,
        "id": grant.digest[:ID_LENGTH],
        "scopes": sorted(map(str, grant.scopes)),
        "expires": iso(grant.expires),
    }
