"""The state of a file, looked at without touching it: before anybody opens it as a store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import evolve as replace
from attrs import frozen

from parcae.codec import decode_any
from parcae.errors import Corrupt
from parcae.values import Instant
from parcae_adapters.sqlite.connect import located
from parcae_adapters.sqlite.errors import FAULTS
from parcae_adapters.sqlite.filesystem import network_filesystem
from parcae_adapters.sqlite.schema import NAMES

NEWEST = "SELECT data FROM parcae_events ORDER BY position DESC LIMIT 100"
SET_ASIDE = "SELECT id, error FROM parcae_inbox WHERE error IS NOT NULL ORDER BY id LIMIT 100"
ARRIVED = "SELECT count(*) FROM parcae_inbox WHERE error IS NULL"
APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'parcae'"


@frozen(kw_only=True)
class Health:
    """What there is to know of a file.

    Attributes:
        path: where it is.
        size: of the file, in bytes.
        wal: of its write-ahead log, in bytes.
        free: what is left on its disk, in bytes.
        journal: how SQLite keeps its journal: ``wal``, unless somebody changed it.
        sqlite: the version of SQLite.
        network: the network file system that it lies on; ``None``: none.
        faults: what SQLite's quick check found; empty: nothing.
        known: it has tables of ours.
        missing: migrations that are to come: the first that opens it as a store applies them.
        unknown: migrations of a newer version.
        newest: the time of the newest events; ``None``: there are none.
        arrived: how many jobs of host applications wait to be admitted.
        set_aside: those that cannot be, with the reason.
    """

    path: str
    size: int
    wal: int
    free: int
    journal: str
    sqlite: str
    network: str | None
    faults: tuple[str, ...] = ()
    known: bool = False
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    newest: Instant | None = None
    arrived: int = 0
    set_aside: tuple[tuple[str, str], ...] = ()


def health(path: str | os.PathLike[str]) -> Health:
    """Look at the file at ``path``; it must be there. It is neither migrated nor checkpointed."""
    name = located(path)
    log = Path(f"{name}-wal")
    found = Health(
        path=name,
        size=Path(name).stat().st_size,
        wal=log.stat().st_size if log.exists() else 0,
        free=shutil.disk_usage(Path(name).parent).free,
        journal="",
        sqlite=sqlite3.sqlite_version,
        network=network_filesystem(Path(name).parent.resolve()),
    )
    try:
        # Closing the last connection that may write would checkpoint the log.
        with closing(sqlite3.connect(f"{Path(name).as_uri()}?mode=ro", uri=True)) as connection:
            return _inside(connection, found)
    except (*FAULTS, Corrupt) as error:
        return replace(found, faults=(str(error),))


def _inside(connection: sqlite3.Connection, found: Health) -> Health:
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    faults = [line for (line,) in connection.execute("PRAGMA quick_check(5)") if line != "ok"]
    found = replace(found, journal=journal, faults=tuple(faults))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "parcae_events" not in tables:
        return replace(found, missing=tuple(sorted(NAMES)))
    applied = {name for (name,) in connection.execute(APPLIED)}
    instants = [decode_any(data).at for (data,) in connection.execute(NEWEST)]
    found = replace(
        found,
        known=True,
        missing=tuple(sorted(NAMES - applied)),
        unknown=tuple(sorted(applied - NAMES)),
        newest=max(instants, default=None),
    )
    if "parcae_inbox" not in tables:
        return found
    (arrived,) = connection.execute(ARRIVED).fetchone()
    set_aside = tuple((str(one), str(why)) for one, why in connection.execute(SET_ASIDE))
    return replace(found, arrived=arrived, set_aside=set_aside)
