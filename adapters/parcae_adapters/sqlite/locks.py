"""Who keeps a file locked, and does not come to an end: for whoever looks, and does not write."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

from attrs import frozen

from parcae_adapters.sqlite.connect import located
from parcae_adapters.sqlite.errors import code

WATCHED = 1.0
"""Seconds. A lock that is held for so long without any commit is stuck: commits take far less."""

GLANCE = 0.02
"""Seconds between two attempts."""

WRITER = 120
"""The byte of the file ``-shm`` that is locked by who writes (SQLite's file format, WAL-index)."""

LOCKS = Path("/proc/locks")


@frozen(kw_only=True)
class Lock:
    """A lock that nobody gives back.

    Attributes:
        path: of the database.
        watched: for so long it was seen held, and nothing was committed.
        pid: who holds it; ``None``: this system does not say.
        command: the name of its program, without its arguments: they may hold secrets.
    """

    path: str
    watched: timedelta
    pid: int | None = None
    command: str = ""


def stuck_lock(path: str | os.PathLike[str], watch: float = WATCHED) -> Lock | None:
    """Who keeps others from writing; ``None``: nobody, or somebody who does commit.

    Blocks for ``watch`` seconds if somebody does. Nothing is written.
    """
    name, begun = located(path), time.monotonic()
    uri = f"{Path(name).as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        before = _commits(connection)
        while not _free(connection):
            if _commits(connection) != before:
                return None
            watched = time.monotonic() - begun
            if watched >= watch:
                pid = _holder(name)
                return Lock(
                    path=name,
                    watched=timedelta(seconds=watched),
                    pid=pid,
                    command=_program(pid),
                )
            time.sleep(GLANCE)
    return None


def _commits(connection: sqlite3.Connection) -> int:
    """Another number after each commit of somebody else."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _free(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # Whatever else is the matter, whoever opens the file as a store is told.
        return code(error) != sqlite3.SQLITE_BUSY
    connection.execute("ROLLBACK")
    return True


def _holder(path: str) -> int | None:
    """The process that has the writers' lock, where Linux tells of it."""
    with suppress(OSError, ValueError):
        file = os.stat(f"{path}-shm").st_ino
        for line in LOCKS.read_text().splitlines():
            # Such as "1: POSIX  ADVISORY  WRITE 4711 00:2e:1234 120 120".
            fields = line.split()
            if "->" in fields or len(fields) < 8 or fields[3] != "WRITE":
                continue
            first, last = fields[6], fields[7]
            covers = int(first) <= WRITER and (last == "EOF" or int(last) >= WRITER)
            if covers and int(fields[5].rpartition(":")[2]) == file and int(fields[4]) > 0:
                return int(fields[4])
    return None


def _program(pid: int | None) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
