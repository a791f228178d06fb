"""``parcae doctor``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.text import Text

from parcae.checkup import Checkup, Finding, checkup
from parcae.errors import ParcaeError
from parcae.phrases import span
from parcae.roster import STATES, Crew
from parcae.values import Instant
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import verb
from parcae_adapters.cli.output import clean, console, print_table, write_json
from parcae_adapters.cli.session import Form, NotFound, Session
from parcae_adapters.cli.verbs.workers import heard
from parcae_adapters.records.jobs import Record, iso
from parcae_adapters.records.workers import worker_record

if TYPE_CHECKING:
    from parcae_adapters.sqlite.health import Health
    from parcae_adapters.sqlite.locks import Lock

AHEAD = timedelta(seconds=1)
"""By so much the newest event may lie in the future before one wonders."""

SCARCE = 64 * 1024 * 1024
"""Bytes that should be left on the disk at the least, or as many as the log has grown to."""


@verb("doctor")
async def command(session: Session) -> Exit:
    """Look for whatever is wrong, and name the command that helps.

    The file and its disk, what holds it locked, the tables, the clock, the workers, and what is
    stuck: overdue and not settled, of a kind that nobody runs, quarantined, paused, waiting for
    what has ended, kept by handlers that do not stop. Exit code 8: something will not mend by
    itself. Nothing is changed.
    """
    if not session.exists:
        raise NotFound(f"there is no database {session.db!r}; name one with --db or PARCAE_DB")
    # The driver is loaded only where it is needed.
    from parcae_adapters.sqlite.health import health
    from parcae_adapters.sqlite.locks import stuck_lock

    found, seen = health(session.db), None
    findings = tuple(_unreadable(found))
    lock = None if findings else await asyncio.to_thread(stuck_lock, session.db)
    if lock is not None:
        findings = (_locked(lock),)
    # What has still to be migrated would wait for the lock.
    if not findings or (lock is not None and not found.missing):
        try:
            async with session.engine() as engine:
                seen = await checkup(engine.store)
        except ParcaeError as error:
            findings = (*findings, _told(error))
    if seen is not None:
        findings = (*findings, *_file(found), *_clock(found, seen.now), *seen.findings)
    unhealthy = any(one.unhealthy for one in findings)
    if session.json:
        document = _document(found, seen, findings, healthy=not unhealthy)
        write_json(document, line=session.form is Form.JSONL)
    else:
        _show(found, seen, findings)
    return Exit.UNHEALTHY if unhealthy else Exit.OK


def _unreadable(found: Health) -> Iterator[Finding]:
    """What makes it useless, or dangerous, to open the file as a store."""
    if found.faults:
        message = f"the file is damaged: {'; '.join(found.faults)}"
        yield _wrong("damaged", message, "parcae fsck, then restore the latest backup")
    elif not found.known:
        message = "a database, but Parcae has no jobs in it: is this the right file?"
        yield _wrong("schema", message, "parcae --db FILE doctor")
    if found.unknown:
        message = f"a newer version of Parcae has written it: {', '.join(found.unknown)}"
        yield _wrong("schema", message, "pip install --upgrade parcae")
    if found.network:
        message = f"it lies on {found.network}, where SQLite's locks do not hold"
        yield _wrong("network", message, "move the file to a local disk, with no worker running")


def _locked(lock: Lock) -> Finding:
    """Somebody writes, and does not come to an end."""
    if lock.pid is None:
        who, command = "some process", f"fuser -v {lock.path} {lock.path}-shm"
    else:
        name = f" ({lock.command})" if lock.command else ""
        who, command = f"process {lock.pid}{name}", f"ps -o pid,stat,etime,args -p {lock.pid}"
    message = (
        f"{who} keeps the database locked, and has committed nothing for {span(lock.watched)} or "
        "longer: until it lets go nobody can submit, take, renew or settle a job"
    )
    return _wrong("locked", message, command)


def _told(error: ParcaeError) -> Finding:
    return _wrong("unreadable", clean(str(error)), "parcae fsck --debug")


def _file(found: Health) -> Iterator[Finding]:
    if found.journal != "wal":
        message = f"the journal is kept as {found.journal!r}, not as a write-ahead log"
        yield _wrong("journal", message, "parcae list, which sets it right")
    needed = max(SCARCE, found.wal)
    if found.free < needed:
        message = f"{_bytes(found.free)} are left on the disk, and {_bytes(needed)} should be"
        yield _wrong("disk", message, "parcae retain --completed 30d --dry-run")
    for job_id, why in found.set_aside:
        message = f"a host submitted {job_id}, which cannot be admitted: {why}"
        yield _wrong("inbox", message, "mend the cause, then submit it again")


def _clock(found: Health, now: Instant) -> Iterator[Finding]:
    if found.newest is not None and found.newest - now > AHEAD:
        ahead = span(found.newest - now)
        message = f"the newest event lies {ahead} in the future: the clock was set back"
        yield _wrong("clock", message, "set the clock of this machine: timedatectl status")


def _wrong(rule: str, message: str, command: str) -> Finding:
    return Finding(rule=rule, unhealthy=True, message=message, command=command)


def _document(
    found: Health, seen: Checkup | None, findings: tuple[Finding, ...], *, healthy: bool
) -> Record:
    return {
        "healthy": healthy,
        "file": {
            "path": found.path,
            "bytes": found.size,
            "wal_bytes": found.wal,
            "free_bytes": found.free,
            "journal": found.journal,
            "durability": "full",
            "sqlite": found.sqlite,
            "migrated": list(found.missing) if seen else [],
            "arrived": found.arrived,
        },
        "now": iso(seen.now if seen else None),
        "newest_event_at": iso(found.newest),
        "workers": [worker_record(one) for one in seen.workers] if seen else None,
        "findings": [
            {
                "rule": one.rule,
                "unhealthy": one.unhealthy,
                "message": one.message,
                "command": one.command,
            }
            for one in findings
        ],
    }


def _show(found: Health, seen: Checkup | None, findings: tuple[Finding, ...]) -> None:
    log = f", log {_bytes(found.wal)}" if found.wal else ""
    facts = [
        ("file", f"{found.path}: {_bytes(found.size)}{log}, {_bytes(found.free)} free"),
        ("journal", f"{found.journal or 'unknown'}, SQLite {found.sqlite}"),
        ("durable", "what workers of this command line answer survives a power loss (full)"),
        ("tables", _tables(found, seen)),
        ("clock", _newest(found, seen)),
        ("workers", _workers(seen)),
    ]
    for name, fact in facts:
        click.echo(f"{name:9} {clean(fact)}")
    click.echo()
    if seen is not None and seen.workers:
        columns = ("WORKER", "STATE", "JOBS", "HEARD OF")
        print_table(columns, (_row(one, seen.now) for one in seen.workers))
        click.echo()
    out = console()
    for one in findings:
        mark = ("wrong", "bold red") if one.unhealthy else ("look ", "yellow")
        out.print(Text.assemble(mark, "  ", clean(one.message)), soft_wrap=not out.is_terminal)
        click.echo(f"       {one.command}")
    if not findings:
        click.echo("Nothing is wrong.")


def _tables(found: Health, seen: Checkup | None) -> str:
    if found.faults or not found.known:
        return "not looked at"
    if found.missing and seen is None:
        return f"{len(found.missing)} migrations are to come"
    if found.missing:
        return f"{len(found.missing)} migrations were to come, and are applied by now"
    return "of a newer version" if found.unknown else "up to date"


def _newest(found: Health, seen: Checkup | None) -> str:
    if found.newest is None or seen is None:
        return "nothing has happened yet" if seen else "not looked at"
    if found.newest > seen.now:
        return f"behind the newest event by {span(found.newest - seen.now)}"
    return f"the newest event is {span(seen.now - found.newest)} old"


def _workers(seen: Checkup | None) -> str:
    if seen is None:
        return "not looked at"
    if not seen.workers:
        return "none is there"
    states = Counter(one.state for one in seen.workers)
    return ", ".join(f"{states[state]} {state}" for state in STATES if states[state])


def _row(one: Crew, now: Instant) -> tuple[str, ...]:
    kept = (
        f" ({one.presence.abandoned} do not stop)"
        if one.presence and one.presence.abandoned
        else ""
    )
    lapsed = ", its leases have run out" if one.silent else ""
    return one.worker, one.state, f"{one.jobs}{kept}", f"{heard(one, now)}{lapsed}"


def _bytes(number: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
