"""The process that strace watches: it plays the script again and again, each time in a fork.

strace counts the calls of every thread, by name, and strikes at a fixed count. A fork that is to be
struck elsewhere first makes so many idle calls that its own calls reach that count where they
should: so one strace, and one start of Python, do for any number of points.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from parcae.errors import Corrupt, Unavailable
from parcae.values import Instant
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash.script import chance, play
from parcae_specs.story import START

CHECKPOINT = 40
"""Pages. SQLite takes 1000 by default, and would not do it once during the script."""
NO_FILE = 1_000_000
"""A descriptor that no process has."""

IDLE: Mapping[str, Callable[[], object]] = {
    "pwrite64": lambda: os.pwrite(NO_FILE, b"", 0),
    "pread64": lambda: os.pread(NO_FILE, 0, 0),
    "fdatasync": lambda: os.fdatasync(NO_FILE),
    "fsync": lambda: os.fsync(NO_FILE),
    "ftruncate": lambda: os.ftruncate(NO_FILE, 0),
    "unlink": lambda: os.unlink(""),
}
"""Calls that do nothing but count."""

Role = Literal["opening", "writing"]
Durability = Literal["full", "normal", "off"]


@frozen(kw_only=True)
class Strike:
    """Where one fork is to be struck.

    Attributes:
        name: of its folder.
        role: in the thread that opens the store, or in the one that writes.
        call: the name of the system call.
        idle: how many idle ones come first.
        tries: how often a call that nobody could answer is repeated.
        durability: of its store; ``off`` is what no store offers.
    """

    name: str
    role: Role = "writing"
    call: str = "pwrite64"
    idle: int = 0
    tries: int = 1
    durability: Durability = "full"

    def wait(self) -> None:
        """Make the idle calls."""
        call = IDLE[self.call]
        for _ in range(self.idle):
            with contextlib.suppress(OSError):
                call()


class Patient(ManualClock):
    """A clock whose first reader in a thread of the store makes the idle calls of that thread."""

    def __init__(self, strike: Strike) -> None:
        super().__init__(START)
        self._strike: Strike | None = strike if strike.role == "writing" else None

    def now(self) -> Instant:
        """The present instant."""
        strike = self._strike
        if strike is not None and threading.current_thread() is not threading.main_thread():
            self._strike = None
            strike.wait()
        return super().now()


class Careless(sqlite3.Connection):
    """Does not sync, whatever it is told: what a store must not be, and a test must notice."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement, but for those that would have it sync."""
        if sql.startswith("PRAGMA synchronous"):
            sql = "PRAGMA synchronous = OFF"
        return super().execute(sql, parameters)


def connect(path: str, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """A connection that carries the log over into the file again and again."""
    made = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=kind)
    made.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
    return made


async def live(folder: Path, strike: Strike) -> None:
    """Play the script on a store of its own; each answer is a line in ``answers``."""
    answers = os.open(folder / "answers", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    clock = Patient(strike)
    if strike.role == "opening":
        strike.wait()
    store = _opened(folder / "db", clock, strike)
    await play(store, clock, lambda n: _say(answers, n), strike.tries)
    await store.close()
    os.write(answers, b"end\n")


def _say(answers: int, number: int) -> None:
    os.write(answers, b"%d\n" % number)


def _opened(path: Path, clock: ManualClock, strike: Strike) -> SqliteStore:
    off = strike.durability == "off"
    for left in reversed(range(strike.tries)):
        try:
            return SqliteStore(
                path,
                clock=clock,
                entropy=chance(),
                durability="full" if strike.durability == "off" else strike.durability,
                connect=lambda path: connect(path, Careless if off else sqlite3.Connection),
            )
        except (Unavailable, Corrupt):
            if not left:
                raise
    raise AssertionError("a victim tries at least once")


def main(folder: str, plan: str) -> None:
    """Fork once for each strike of the plan, one after the other."""
    for given in json.loads(Path(plan).read_text()):
        strike = Strike(**given)
        mine = Path(folder, strike.name)
        mine.mkdir()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        try:
            asyncio.run(live(mine, strike))
        except BaseException as error:  # noqa: BLE001 - the parent reads what it was
            (mine / "error").write_text(
                f"{type(error).__module__}.{type(error).__qualname__}: {error}"
            )
        finally:
            os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
