"""SQLite connections that refuse what they are told to, and other means to be hard on a file."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from parcae.ports import Store
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import Driver


def on(store: SqliteStore, scenario: Callable[[Driver], Coroutine[Any, Any, None]]) -> None:
    """Run ``scenario`` on a store and close it."""

    async def whole() -> None:
        try:
            await scenario(Driver(store))
        finally:
            await store.close()

    asyncio.run(whole())


def close(store: Store) -> None:
    """Close ``store``."""
    asyncio.run(store.close())


def look(path: Path, statement: str) -> list[Any]:
    """What another program sees in the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def log_size(path: Path) -> int:
    """Bytes of its write-ahead log."""
    return Path(f"{path}-wal").stat().st_size


class Fragile(sqlite3.Connection):
    """A connection that notes what it executes, and fails where it is told to.

    ``refuse`` is asked before each statement, ``refuse_after`` once it is done: what they give is
    raised. Make a subclass for each use, with ``noted`` of its own.
    """

    refuse: Callable[[str], BaseException | None] = staticmethod(lambda _: None)
    refuse_after: Callable[[str], BaseException | None] = staticmethod(lambda _: None)
    noted: list[str]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute, unless it is refused."""
        type(self).noted.append(sql)
        if (error := type(self).refuse(sql)) is not None:
            raise error
        cursor = super().execute(sql, parameters)
        if (error := type(self).refuse_after(sql)) is not None:
            raise error
        return cursor

    @classmethod
    def open(cls, path: str) -> sqlite3.Connection:
        """What ``SqliteStore(connect=…)`` takes."""
        options: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
        connection: sqlite3.Connection = sqlite3.connect(path, factory=cls, **options)
        return connection


def failure(name: str, code: int) -> sqlite3.OperationalError:
    """As SQLite would raise it."""
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = code
    return error
