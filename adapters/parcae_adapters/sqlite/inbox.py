"""The host's side of the inbox: a job that is submitted if, and only if, the host commits.

Within the host's own transaction only a row of the inbox is written, and one of the key if there
is one: no line, no log, nothing that the engine is held up by any longer than SQLite holds up all
that write. Whoever transacts next, in any process, admits it.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import timedelta
from typing import Any, Protocol

from attrs import evolve as replace

from parcae.admit import fingerprint
from parcae.codec import encode_spec
from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.graphs import tailored
from parcae.group_engine import KEY_TTL, idempotency
from parcae.ports import Clock
from parcae.spec import Spec
from parcae.state import deadline as deadline_of
from parcae.values import MAX_BLOB, Instant, JobId, job_id, mix
from parcae_adapters.clock import SystemClock
from parcae_adapters.sqlite.errors import Unusable
from parcae_adapters.sqlite.rows import exact

ARRIVE = "INSERT INTO parcae_inbox (id, spec, payload) VALUES (?, ?, ?)"
WITHDRAW = "DELETE FROM parcae_inbox WHERE id = ?"
TAKE_KEY = "INSERT OR IGNORE INTO parcae_keys VALUES ('submit', ?, ?, ?, ?)"
HAVE_KEY = """
    UPDATE parcae_keys SET fingerprint = ?, job_id = ?, expires_at = ?
    WHERE scope = 'submit' AND key = ? AND expires_at <= ?"""
WHOSE_KEY = """
    SELECT fingerprint, job_id FROM parcae_keys WHERE scope = 'submit' AND key = ?"""


class Host(Protocol):
    """A connection of ``sqlite3``, or what stands for one."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    @property
    def isolation_level(self) -> str | None:
        """What opens one by itself; ``None``: nothing does."""
        ...

    def cursor(self) -> Any:
        """A cursor."""
        ...


def submit_within(
    connection: Host,
    request: Request[Any],
    *,
    idempotency_key: str | None = None,
    key_ttl: timedelta = KEY_TTL,
    key: str | None = None,
    priority: int | None = None,
    run_at: Instant | None = None,
    deadline: Instant | None = None,
    clock: Clock | None = None,
) -> JobId:
    """Submit a job inside the transaction of ``connection``: it is admitted once that commits.

    Rolled back with it, the job has never been. A transaction that is not open yet is opened, if
    the connection does so by itself, as those of ``sqlite3`` do unless told otherwise.

    Args:
        connection: to the file of a store.
        request: from calling a definition.
        idempotency_key: a repeated submission with the same key gives the same job.
        key_ttl: for how long that key is remembered.
        key: the lane within the queue (a tenant, a host).
        priority: in place of the definition's.
        run_at: not before.
        deadline: no forward work from then on.
        clock: what the time is read from; by default the system's.

    Raises:
        Rejected: too large, the key came with another body before, its deadline is no later than
            its start, or the definition has a uniqueness constraint, which only the engine can
            decide.
        Unusable: the file has no tables of Parcae.
        ValueError: there is no transaction to be part of; or an instant is naive or out of range.
    """
    _require_transaction(connection)
    asked = tailored(request, key=key, priority=priority, run_at=run_at, deadline=deadline)
    keyed = idempotency(idempotency_key, key_ttl)
    now, seed = (clock or SystemClock()).now(), int.from_bytes(os.urandom(16), "big")
    _require_admissible(asked.spec, asked.payload, now)
    fresh, spec = job_id(now, seed), replace(asked.spec, seed=mix("seed", seed))
    cursor = connection.cursor()
    cursor.row_factory = None
    _arrive(cursor, fresh, spec, asked.payload)
    if keyed is None:
        return fresh
    until = exact(now + keyed.ttl)
    return _keyed(cursor, keyed.key.key, (fingerprint(spec), fresh, until), exact(now))


def _require_transaction(connection: Host) -> None:
    if not connection.in_transaction and connection.isolation_level is None:
        raise ValueError(
            "expected a connection with an open transaction, for the job is to be part of it: "
            "this one is in autocommit mode; execute BEGIN (or BEGIN IMMEDIATE) first"
        )


def _require_admissible(spec: Spec, payload: bytes, now: Instant) -> None:
    if len(payload) > MAX_BLOB:
        message = f"expected a payload of at most {MAX_BLOB} bytes, got {len(payload)}"
        raise Rejected(Reason.TOO_LARGE, message, command="Submit")
    bound, start = deadline_of(spec, now), max(spec.run_at or now, now)
    if bound is not None and start >= bound:
        message = f"expected a deadline later than its start at {start}, got {bound}"
        raise Rejected(Reason.BAD_INPUT, message, command="Submit")
    if spec.unique is not None:
        message = (
            f"{spec.kind!r} has a uniqueness constraint: who stands for it is known once the "
            "transaction has committed, so submit it with Engine.submit after that, or without one"
        )
        raise Rejected(Reason.BAD_INPUT, message, command="Submit")


def _arrive(cursor: Any, fresh: JobId, spec: Spec, payload: bytes) -> None:
    # First of all a write: a transaction that has only read may find that it cannot write any more.
    try:
        cursor.execute(ARRIVE, (fresh, encode_spec(spec), payload))
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise Unusable(
            "this database has no inbox of Parcae: open its file once with SqliteStore, which "
            "makes the tables"
        ) from error


def _keyed(cursor: Any, name: str, row: tuple[str, JobId, int], now: int) -> JobId:
    """The job that has the key: this one, or an earlier one, and then this one has never been."""
    body, fresh, _ = row
    if cursor.execute(TAKE_KEY, (name, *row)).rowcount == 1:
        return fresh
    if cursor.execute(HAVE_KEY, (*row, name, now)).rowcount == 1:
        return fresh
    cursor.execute(WITHDRAW, (fresh,))
    found, known = cursor.execute(WHOSE_KEY, (name,)).fetchone()
    if found != body:
        message = f"the key {name!r} was used with another request, for job {known}"
        raise Rejected(Reason.KEY_REUSED, message, command="Submit")
    return JobId(known)
