"""The register of workers, and the keys that are over: rows that no history tells of."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from parcae.codec import decode_presence, encode_presence
from parcae.values import Instant, WorkerId
from parcae.workers import MOST_WORKERS, Presence, forgotten_before
from parcae_adapters.sqlite.rows import exact

PUT = "INSERT OR REPLACE INTO parcae_workers VALUES (?, ?, ?)"
FORGET = "DELETE FROM parcae_workers WHERE until < ?"
COUNT = "SELECT count(*) FROM parcae_workers"
TOO_MANY = """
    DELETE FROM parcae_workers WHERE id IN (
        SELECT id FROM parcae_workers ORDER BY until DESC, id DESC LIMIT -1 OFFSET ?)"""
DISMISS = "DELETE FROM parcae_workers WHERE id = ?"
WORKERS = "SELECT id, state FROM parcae_workers ORDER BY id"
EXPIRING = """
    DELETE FROM parcae_keys WHERE (scope, key) IN (
        SELECT scope, key FROM parcae_keys INDEXED BY parcae_expiring
        WHERE scope = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?)"""


def enlist(connection: sqlite3.Connection, presence: Presence) -> None:
    """Write a row in place of that worker's former one, and forget who is long gone."""
    row = (presence.id, exact(presence.until), encode_presence(presence))
    connection.execute(FORGET, (exact(forgotten_before(presence.heard_at)),))
    connection.execute(PUT, row)
    (rows,) = connection.execute(COUNT).fetchone()
    if rows > MOST_WORKERS:
        connection.execute(TOO_MANY, (MOST_WORKERS,))


def dismiss(connection: sqlite3.Connection, worker: WorkerId) -> None:
    """Strike a worker out."""
    connection.execute(DISMISS, (worker,))


def workers(connection: sqlite3.Connection) -> Sequence[Presence]:
    """Everybody, by name."""
    rows = connection.execute(WORKERS).fetchall()
    return tuple(decode_presence(state, worker=WorkerId(name)) for name, state in rows)


def expire(
    connection: sqlite3.Connection, scopes: Collection[str], before: Instant, limit: int
) -> int:
    """Delete keys of these scopes that were over before; how many."""
    deleted = 0
    # One scope after the other, so that each runs along its part of the index and sorts nothing.
    for scope in scopes:
        wanted = (scope, exact(before), max(limit - deleted, 0))
        deleted += connection.execute(EXPIRING, wanted).rowcount
    return deleted
