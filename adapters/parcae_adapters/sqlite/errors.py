"""What SQLite says when it refuses, in words that say what to do."""

from __future__ import annotations

import sqlite3

from parcae.errors import Conflict, Corrupt, ParcaeError, Reason, Unavailable


class Unusable(ParcaeError):
    """This file, in this place, can be no store: repeating is of no use."""


FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What the driver raises: where a file is damaged, even SQLite's message may be no text."""


def code(error: BaseException) -> int | None:
    """SQLite's primary result code, where ``error`` has one."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF


def translated(error: sqlite3.Error | UnicodeDecodeError, path: str) -> ParcaeError:
    """``error``, which SQLite raised over ``path``, as one of Parcae's own."""
    if isinstance(error, UnicodeDecodeError):
        return _damaged(path, error)
    match code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(f"{path}: another process keeps the database locked; try again")
        case sqlite3.SQLITE_FULL:
            return Unavailable(f"{path}: the disk is full; free some space, then try again")
        case sqlite3.SQLITE_IOERR:
            return Unavailable(
                f"{path}: the disk reported an error ({error}); see the system's log"
            )
        case sqlite3.SQLITE_READONLY:
            return Unusable(f"{path}: the file or its folder is read-only for this user")
        case sqlite3.SQLITE_CANTOPEN:
            return Unusable(f"{path}: cannot be opened; is its folder there, and writable?")
        case sqlite3.SQLITE_NOTADB:
            return Unusable(f"{path}: the file is not an SQLite database; choose another")
        case sqlite3.SQLITE_CORRUPT:
            return _damaged(path, error)
        case sqlite3.SQLITE_CONSTRAINT:
            return Conflict(Reason.MOVED_ON, f"{path}: the database refused a change: {error}")
        case _:
            return Unavailable(f"{path}: {error}")


def _damaged(path: str, error: Exception) -> Corrupt:
    # SQLite says so, too, where the disk fails to read.
    return Corrupt(
        f"{path}: the database is damaged, or its disk cannot be read ({error}); see the system's "
        "log, and restore it from a backup"
    )
