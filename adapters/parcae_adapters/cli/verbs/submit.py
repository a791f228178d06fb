"""``parcae submit``."""

from __future__ import annotations

from typing import Any

import click

from parcae import Admitted, Jobs, Unique
from parcae.values import Instant
from parcae_adapters.cli.options import When, option, verb
from parcae_adapters.cli.output import note, write_json
from parcae_adapters.cli.session import Form, Session
from parcae_adapters.cli.targets import Target, request
from parcae_adapters.cli.waits import dependencies, ties, unique


@verb("submit")
@click.argument("jobs", metavar="MODULE:JOBS", type=Target())
@click.argument("kind")
@click.argument("args", nargs=-1)
@option("--idempotency-key", metavar="KEY", help="Repeated with the same key, it is the same job.")
@option("--run-at", type=When(), metavar="WHEN", help="Not before: 2030-01-31T08:00:00Z, or +10m.")
@option("--deadline", type=When(), metavar="WHEN", help="No forward work from then on.")
@option("--key", help="The lane within the queue: a tenant, a host.")
@option("--priority", type=int, help="In place of the definition's; higher goes first.")
@ties
async def command(
    session: Session,
    jobs: Jobs,
    kind: str,
    args: tuple[str, ...],
    run_at: Instant | None,
    **options: Any,
) -> None:
    """Admit a job of KIND, and print its id.

    Once it is printed, that job will end.

    ARGS are the handlers' arguments, checked against their annotations: values in order, or
    name=value. A value is JSON, or else text.

        parcae submit shop:jobs fulfil-order '{"sku": "A1", "count": 2}'

        parcae submit images:jobs resize photo.jpg width=300
    """
    asked, constraint = request(jobs, kind, args), _constraint(options)
    async with session.engine(create=True) as engine:
        after = await dependencies(engine, options.pop("after"))
        try:
            handle = await engine.submit(
                asked, run_at=run_at, after=after, unique=constraint, **options
            )
        except ValueError as error:
            raise click.UsageError(f"{error}.") from error
    _tell(session, handle.admitted)


def _tell(session: Session, admitted: Admitted) -> None:
    if session.json:
        document = {
            "id": admitted.job_id,
            "duplicate": admitted.duplicate,
            "deleted": admitted.deleted,
        }
        write_json(document, line=session.form is Form.JSONL)
        return
    click.echo(admitted.job_id)
    if admitted.duplicate:
        gone = ", and has been deleted since it ended" if admitted.deleted else ""
        note(f"It was admitted before{gone}: it stands for this one.")


def _constraint(options: dict[str, Any]) -> Unique | None:
    """Take out of ``options`` those that say which constraint."""
    return unique(
        options.pop("unique"),
        options.pop("unique_name"),
        options.pop("unique_period"),
        options.pop("replace"),
        delay=options.pop("debounce"),
        at_most=options.pop("at_most"),
    )
