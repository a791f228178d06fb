"""The one place where connections are made: tests replace or record them here."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from attrs import frozen

from parcae_adapters.sqlite.errors import FAULTS, Unusable, code, translated
from parcae_adapters.sqlite.filesystem import network_filesystem
from parcae_adapters.sqlite.schema import migrate

Connect = Callable[[str], sqlite3.Connection]
"""Opens a path, in autocommit mode, for use by another thread than the one that opens it."""

Durability = Literal["full", "normal"]

OURS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'parcae_jobs'"


def connect(path: str) -> sqlite3.Connection:
    """A plain connection."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


@frozen(kw_only=True)
class File:
    """A database file, and how it is to be opened.

    Attributes:
        path: where it is.
        durability: ``full``: what is acknowledged survives a power loss; ``normal``: it survives
            the death of the process, but a power loss may take back the last of it.
        busy_timeout: seconds to wait for another process's lock.
        connect: makes the connections.
    """

    path: str
    durability: Durability
    busy_timeout: float
    connect: Connect

    def writer(self) -> sqlite3.Connection:
        """A connection that may write, to a file with up-to-date tables.

        Raises:
            Unusable: the file can be no store.
            Unavailable: not at the moment.
            Corrupt: it is damaged.
        """
        refuse_network(self.path)
        connection = self._open()
        try:
            _retried(lambda: _to_wal(connection, self.path), self.busy_timeout)
            connection.execute(f"PRAGMA synchronous = {self.durability.upper()}")
            _retried(lambda: migrate(connection, self.path), self.busy_timeout)
        except FAULTS as error:
            connection.close()
            raise translated(error, self.path) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def require_tables(self) -> None:
        """Refuse a file that is not there, or has no tables of ours, without touching it.

        Raises:
            Unusable: so it is.
        """
        if not Path(self.path).exists():
            raise Unusable(f"{self.path}: there is no such file")
        connection = self._open()
        try:
            found = connection.execute(OURS).fetchone()
        except FAULTS as error:
            raise translated(error, self.path) from error
        finally:
            connection.close()
        if found is None:
            raise Unusable(f"{self.path}: a database, but Parcae has no jobs in it")

    def reader(self) -> sqlite3.Connection:
        """A connection that cannot write."""
        connection = self._open()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _open(self) -> sqlite3.Connection:
        try:
            connection = self.connect(self.path)
            connection.execute(f"PRAGMA busy_timeout = {round(self.busy_timeout * 1000)}")
            connection.execute("PRAGMA cache_size = -16000")
        except FAULTS as error:
            raise translated(error, self.path) from error
        return connection


def located(path: str | os.PathLike[str]) -> str:
    """``path``, absolute.

    Raises:
        ValueError: it does not name a file.
    """
    given = os.fspath(path)
    if not given or given == ":memory:" or given.startswith("file:"):
        raise ValueError(f"expected the path of a file, got {given!r} (MemoryStore needs none)")
    return str(Path(given).absolute())


def refuse_network(path: str) -> None:
    """Refuse a file that other machines can reach.

    Raises:
        Unusable: it lies on a network file system.
    """
    kind = network_filesystem(Path(path).parent.resolve())
    if kind is not None:
        raise Unusable(
            f"{path}: lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "put it on a local disk"
        )


def _to_wal(connection: sqlite3.Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise Unusable(f"{path}: SQLite cannot keep a write-ahead log there (mode {mode})")


def _retried(step: Callable[[], None], patience: float) -> None:
    """Run ``step`` until nobody stands in its way, for ``patience`` seconds at the most.

    Switching to the write-ahead log can fail at once, whatever the busy timeout, while others
    switch or recover.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            busy = code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.001, 0.01))
