"""What it costs SQLite alone: the store's own writes, recorded, then replayed by a plain loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.load import AT_ONCE, drive

WRITES = ("INSERT", "UPDATE", "DELETE")
JOBS = "parcae_jobs"


class Recording(sqlite3.Connection):
    """A connection that notes every row that is written through it."""

    rows: list[tuple[str, tuple[Any, ...]]]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Note and execute."""
        self._note(sql, [parameters])
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Note and execute."""
        many = [tuple(one) for one in parameters]
        self._note(sql, many)
        return super().executemany(sql, many)

    def _note(self, sql: str, many: Iterable[Any]) -> None:
        if sql.strip().startswith(WRITES):
            self.rows += [(sql, tuple(parameters)) for parameters in many]


class Plain:
    """A loop that writes the rows of ``count`` jobs again: every version of every row, in order.

    Each of the states that a job goes through is acknowledged to somebody, so each is in a commit
    of its own here too, that of a hundred jobs.
    """

    def __init__(self, sample: Path, count: int) -> None:
        rows: list[tuple[str, tuple[Any, ...]]] = []

        def connect(path: str) -> sqlite3.Connection:
            options: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
            connection = sqlite3.connect(path, factory=Recording, **options)
            connection.rows = rows
            return connection

        async def record() -> None:
            store = SqliteStore(sample, connect=connect)
            rows.clear()
            await drive(store, count)
            await store.close()

        asyncio.run(record())
        self.rows = rows
        self.count = count

    def run(self, path: Path) -> float:
        """Jobs a second."""
        asyncio.run(_make_tables(path))
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        began, jobs = time.perf_counter(), 0
        connection.execute("BEGIN IMMEDIATE")
        for sql, parameters in self.rows:
            if JOBS in sql:
                jobs += 1
                if jobs % AT_ONCE == 0:
                    connection.execute("COMMIT")
                    connection.execute("BEGIN IMMEDIATE")
            connection.execute(sql, parameters)
        connection.execute("COMMIT")
        took = time.perf_counter() - began
        connection.close()
        return self.count / took


async def _make_tables(path: Path) -> None:
    await SqliteStore(path).close()
