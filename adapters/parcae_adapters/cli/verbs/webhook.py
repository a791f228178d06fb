"""``parcae webhook``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from attrs import evolve as replace

from parcae import Reason, Rejected
from parcae.cloudevents import TYPES
from parcae.deliveries import Standing, webhook_id
from parcae.deliveries.state import PREFIX
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine, Watched, secret_blob
from parcae.ports import DeliveryQuery
from parcae.subscriptions import Subscription
from parcae.undelivered import several
from parcae.values import StreamId, hours
from parcae_adapters.cli.options import Duration, asker, by_option, option, verb
from parcae_adapters.cli.output import note, print_table, write_json
from parcae_adapters.cli.session import Form, NotFound, Session
from parcae_adapters.http.whsec import checked, new_secret
from parcae_adapters.records import outbox as plain
from parcae_adapters.records.jobs import Record, iso

name_argument = click.argument("name", metavar="NAME")
secret_option = option(
    "--secret-file",
    type=click.Path(allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Where the secret is (whsec_…), - for standard input; by default a new one is made.",
)
STATES = tuple(map(str, (Standing.PENDING, Standing.DELIVERING, Standing.DELIVERED, Standing.DEAD)))
state_option = option("--state", multiple=True, type=click.Choice(STATES), help="In this state.")
to_option = option("--to", metavar="NAME", help="Owed to this subscription.")
about_option = option("--about", metavar="JOB", help="Of the events of this job.")


@click.group("webhook")
def command() -> None:
    """Who is told of what has happened, what is owed to them, and what came of it.

    Webhooks are sent by parcae dispatch, or by parcae serve.
    """


@verb("add")
@name_argument
@click.argument("url", metavar="URL")
@option("--type", "types", multiple=True, help="Of this type: completed. May be repeated.")
@option("--kind", "kinds", multiple=True, help="Of jobs of this kind. May be repeated.")
@option("--queue", "queues", multiple=True, help="Of this queue and its jobs. May be repeated.")
@option("--job", "streams", multiple=True, help="Of this job or group. May be repeated.")
@option("--ordered", is_flag=True, help="Of one job one after the other.")
@secret_option
@by_option
async def add(
    session: Session, name: str, url: str, secret_file: Path | None, by: str | None, **chosen: Any
) -> None:
    """Tell URL of events from now on; without a filter of all.

    The same again changes nothing. The secret is told once: receivers verify signatures with it.
    """
    from parcae_adapters.http.guard import parsed_url

    ordered = chosen.pop("ordered")
    try:
        parsed_url(url)
        secret = _secret(secret_file)
        wanted = Filter(**{**chosen, "types": [_tag(one) for one in chosen["types"]]})
        async with session.engine(create=True) as engine:
            done = await OutboxEngine(engine.store).subscribe(
                name, url, wanted=wanted, ordered=ordered, secret=secret, by=asker(by)
            )
            now = engine.store.clock.now()
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    made = secret_file is None and any(one.blob == secret_blob(secret) for one in done.secrets)
    _tell(session, plain.subscription(done, now), secret if made else None)
    if url.startswith("http:"):
        note("Without TLS: dispatchers refuse it unless they have --allow-http.")


def _secret(file: Path | None) -> bytes:
    if file is None:
        return new_secret()
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise click.UsageError(f"{file} cannot be read: {why}.") from None
    return checked(text.strip())


def _tag(given: str) -> str:
    found = TYPES.get(given, given)
    if found not in TYPES.values():
        known = ", ".join(sorted(set(TYPES.values())))
        raise click.UsageError(f"{given!r} is no type of event; there is: {known}.")
    return found


def _tell(session: Session, record: Record, secret: bytes | None = None) -> None:
    told = None if secret is None else secret.decode()
    if session.json:
        write_json({**record, "secret": told}, line=session.form is Form.JSONL)
        return
    click.echo(f"Subscription {record['name']}: {record['state']}, {record['url']}.")
    if told is not None:
        click.echo(f"Its secret, which is not told again: {told}")


@verb("list")
async def list_subscriptions(session: Session) -> None:
    """List the subscriptions, and how many deliveries are owed to each."""
    async with session.engine() as engine:
        outbox = OutboxEngine(engine.store)
        found = (await outbox.subscriptions()).values()
        tally, seal = await engine.store.tally(), await outbox.sealed()
        now = engine.store.clock.now()
    rows = [(plain.subscription(one, now), _counts(one, tally)) for one in found]
    if session.form is Form.JSON:
        every = [{**record, "deliveries": counts} for record, counts in rows]
        write_json({"subscriptions": every, "seal": plain.seal(seal)})
    elif session.form is Form.JSONL:
        for record, counts in rows:
            write_json({**record, "deliveries": counts}, line=True)
    elif not rows:
        note("Nobody is told of anything; see: parcae webhook add --help")
    else:
        columns = ("NAME", "STATE", "OWED", "DELIVERED", "DEAD", "TYPES", "URL")
        print_table(columns, [_row(*row) for row in rows])
    if seal.closed and not session.json:
        note(f"Sealed since {iso(seal.since)}: nothing is sent until parcae unseal.")


def _counts(one: Subscription, tally: Any) -> dict[str, int]:
    stages = (Standing.PENDING, Standing.DELIVERING, Standing.DELIVERED, Standing.DEAD)
    return {str(stage): tally.get((one.name, stage), 0) for stage in stages}


def _row(record: Record, counts: dict[str, int]) -> tuple[str, ...]:
    return (
        record["name"],
        record["state"],
        str(counts["pending"] + counts["delivering"]),
        str(counts["delivered"]),
        str(counts["dead"]),
        ", ".join(record["types"]) or "all",
        plain.origin(record["url"]),
    )


@verb("show")
@name_argument
async def show(session: Session, name: str) -> None:
    """Show a subscription, its whole address too; its secrets are only counted."""
    async with session.engine() as engine:
        found = (await OutboxEngine(engine.store).subscriptions()).get(name)
        now = engine.store.clock.now()
    if found is None:
        raise NotFound(f"there is no subscription {name!r}; see: parcae webhook list")
    record = plain.subscription(found, now)
    if session.json:
        write_json(record, line=session.form is Form.JSONL)
        return
    for key, value in record.items():
        told = ", ".join(value) or "all" if isinstance(value, list) else value
        click.echo(f"{key:12} {'-' if told is None else told}")


@verb("remove")
@name_argument
@option("--yes", is_flag=True, help="Do not ask.")
@by_option
async def remove(session: Session, name: str, yes: bool, by: str | None) -> None:
    """Tell NAME of nothing any more; what is owed to it is given up."""
    _ask("What is owed to it is given up. Go on?", yes)
    async with session.engine() as engine:
        done = await OutboxEngine(engine.store).unsubscribe(name, by=asker(by))
    if session.json:
        write_json({"name": done.name, "state": "removed"}, line=session.form is Form.JSONL)
    else:
        click.echo(f"Subscription {done.name}: removed.")


def _ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("This asks first: say --yes.")
    click.confirm(question, abort=True, err=True)


@verb("enable")
@name_argument
@by_option
async def enable(session: Session, name: str, by: str | None) -> None:
    """Send to NAME again, what is owed first."""
    async with session.engine() as engine:
        done = await OutboxEngine(engine.store).enable(name, by=asker(by))
        _tell(session, plain.subscription(done, engine.store.clock.now()))


@verb("disable")
@name_argument
@by_option
async def disable(session: Session, name: str, by: str | None) -> None:
    """Send nothing to NAME until it is enabled; what is owed is kept."""
    async with session.engine() as engine:
        done = await OutboxEngine(engine.store).disable(name, by=asker(by))
        _tell(session, plain.subscription(done, engine.store.clock.now()))


@verb("rotate")
@name_argument
@secret_option
@option(
    "--overlap",
    type=Duration(),
    default=hours(24),
    metavar="DURATION",
    show_default="24h",
    help="Sign with the former secrets, too, for so long.",
)
@by_option
async def rotate(
    session: Session, name: str, secret_file: Path | None, overlap: timedelta, by: str | None
) -> None:
    """Sign what NAME is told with a new secret, and for a while with the old one as well."""
    try:
        secret = _secret(secret_file)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    async with session.engine() as engine:
        outbox = OutboxEngine(engine.store)
        done = await outbox.rotate(name, secret, overlap=overlap, by=asker(by))
        record = plain.subscription(done, engine.store.clock.now())
    _tell(session, record, secret if secret_file is None else None)


@verb("deliveries")
@click.argument("delivery", metavar="[ID]", required=False)
@to_option
@state_option
@about_option
@option("--limit", type=click.IntRange(1, 1_000), default=50, help="So many at the most.")
async def deliveries(session: Session, delivery: str | None, limit: int, **chosen: Any) -> None:
    """List what is owed, or was, newest first; with ID all that happened to one."""
    async with session.engine() as engine:
        outbox = OutboxEngine(engine.store)
        if delivery is not None:
            await _show_one(session, outbox, StreamId(PREFIX + delivery))
            return
        page = await outbox.deliveries(_query(limit=limit, **chosen))
        watched = await outbox.watched(page.deliveries)
    if session.form is Form.JSON:
        records = [plain.delivery(one) for one in watched]
        write_json({"deliveries": records, "more": bool(page.cursor)})
    elif session.form is Form.JSONL:
        for one in watched:
            write_json(plain.delivery(one), line=True)
    elif not watched:
        note("Nothing of that sort is owed, or was.")
    else:
        columns = ("DELIVERY", "TO", "STATE", "TRIES", "EVENT", "JOB", "LAST")
        print_table(columns, [_delivery_row(one) for one in watched])
        if page.cursor:
            note("There are more; see --limit, and the filters.")


def _query(*, to: str | None, state: Sequence[str], about: str | None, limit: int) -> DeliveryQuery:
    return DeliveryQuery(
        states=frozenset(map(Standing, state)),
        subscriptions=frozenset(() if to is None else (to,)),
        subject=None if about is None else StreamId(about),
        limit=limit,
    )


def _delivery_row(watched: Watched) -> tuple[str, ...]:
    one, last = watched.delivery, watched.delivery.last
    said = "-" if last is None else str(last.status or last.error)
    return (
        webhook_id(one.id),
        one.subscription,
        str(watched.standing),
        str(one.tries),
        one.event,
        one.subject,
        said,
    )


async def _show_one(session: Session, outbox: OutboxEngine, name: StreamId) -> None:
    found = await outbox.delivery(name)
    (watched,) = await outbox.watched([found])
    history = plain.attempts(await outbox.tries(name))
    body = (await outbox.body(name)).decode("utf-8", "replace")
    if session.json:
        document = {"delivery": plain.delivery(watched), "body": body, "history": history}
        write_json(document, line=session.form is Form.JSONL)
        return
    print_table(
        ("DELIVERY", "TO", "STATE", "TRIES", "EVENT", "JOB", "LAST"), [_delivery_row(watched)]
    )
    click.echo()
    rows = [(str(one["at"]), str(one["says"])) for one in history]
    print_table(("WHEN", "HISTORY"), rows)
    click.echo(f"\n{body}")


@verb("replay")
@click.argument("delivery", metavar="[ID]", required=False)
@to_option
@state_option
@about_option
@option("--dry-run", is_flag=True, help="Replay nothing: list which would be.")
@option("--yes", is_flag=True, help="Do not ask.")
@by_option
async def replay(
    session: Session,
    delivery: str | None,
    dry_run: bool,
    yes: bool,
    by: str | None,
    **chosen: Any,
) -> None:
    """Send deliveries again: ID, or all that the filters name; by default those that are dead.

    Receivers know them by the ids of before.
    """
    if delivery is None and chosen["to"] is None and chosen["about"] is None:
        raise click.UsageError("Say which: an ID, --to NAME or --about JOB.")
    if delivery is None and not dry_run:
        _ask("All of them are sent again. Go on?", yes)
    async with session.engine() as engine:
        outbox = OutboxEngine(engine.store)
        if delivery is not None:
            names = [StreamId(PREFIX + delivery)]
        else:
            chosen["state"] = chosen["state"] or (str(Standing.DEAD),)
            names = await _all(outbox, _query(limit=1_000, **chosen))
        refused = {} if dry_run else await _replay(outbox, names, asker(by), one=bool(delivery))
    replayed = [webhook_id(name) for name in names if name not in refused]
    if session.json:
        record = {
            "dry_run": dry_run,
            "replayed": replayed,
            "refused": [{"id": webhook_id(name), "why": why} for name, why in refused.items()],
        }
        write_json(record, line=session.form is Form.JSONL)
        return
    for name in replayed:
        click.echo(name)
    note(f"{several(len(replayed))} {'would be' if dry_run else 'to be'} sent again.")
    for name, why in refused.items():
        note(f"{webhook_id(name)}: {why}")


async def _all(outbox: OutboxEngine, query: DeliveryQuery) -> list[StreamId]:
    names: list[StreamId] = []
    while True:
        page = await outbox.deliveries(query)
        names += [one.id for one in page.deliveries]
        if not page.cursor:
            return names
        query = replace(query, cursor=page.cursor)


async def _replay(
    outbox: OutboxEngine, names: Sequence[StreamId], by: str, *, one: bool
) -> dict[StreamId, str]:
    """Replay them; which could not be, and why. A single one that cannot be is an error."""
    refused: dict[StreamId, str] = {}
    for name in names:
        try:
            await outbox.replay(name, by=by)
        except Rejected as error:
            if one or error.reason is Reason.TOO_LARGE:
                raise
            refused[name] = str(error)
    return refused


for _one in (
    add,
    list_subscriptions,
    show,
    remove,
    enable,
    disable,
    rotate,
    deliveries,
    replay,
):
    command.add_command(_one)
