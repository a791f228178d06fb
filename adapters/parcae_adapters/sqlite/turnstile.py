"""Turns between processes that write one file: left alone, SQLite lets the quickest starve others.

Whoever wants to write passes a gate, waits at it for the turn, and leaves the gate only once it
has the turn. Who has just written must pass the gate too, where the other waits already: so they
alternate. Only fairness depends on this, never correctness: SQLite has locks of its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
import weakref
from collections.abc import Iterator

with contextlib.suppress(ImportError):
    import fcntl

MOST_PATIENCE = 2.0
"""Seconds. Turns are short: who does not give way in that time is stuck, and fairness with it."""

SHORTEST, LONGEST = 0.000_05, 0.002
"""Seconds between two looks at a lock that somebody else has."""


class Turnstile:
    """Two locked files beside the database."""

    def __init__(self, path: str, patience: float) -> None:
        """Turns at ``path``; after ``patience`` seconds of waiting one goes on without.

        They last for this process alone: a fork has none, so that it keeps no turn from others.
        """
        self._patience = min(patience, MOST_PATIENCE)
        self._files: list[int] = []
        if "fcntl" not in globals():
            # Where there is no flock, nobody takes turns.
            return
        try:
            for role in ("gate", "turn"):
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._files.append(os.open(f"{path}-{role}", flags, 0o666))
        except OSError:
            # In a folder where no file can be made, nobody takes turns.
            self.close()
        _ALL.add(self)

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Have the turn inside the block; ``False``: went on without, for nobody gave way."""
        if not self._files:
            yield False
            return
        gate, turn = self._files
        deadline = time.monotonic() + self._patience
        passed = _lock(gate, deadline)
        mine = passed and _lock(turn, deadline)
        if passed:
            _unlock(gate)
        try:
            yield mine
        finally:
            if mine:
                _unlock(turn)

    def close(self) -> None:
        """Let go of the files; a second call does nothing."""
        files, self._files = self._files, []
        for file in files:
            os.close(file)


_ALL: weakref.WeakSet[Turnstile] = weakref.WeakSet()


def _close_all() -> None:
    for turnstile in tuple(_ALL):
        turnstile.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)


def _lock(file: int, deadline: float) -> bool:
    nap = SHORTEST
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        except OSError:
            return False
        else:
            return True
        time.sleep(nap * random.uniform(0.5, 1.5))
        nap = min(nap * 1.5, LONGEST)


def _unlock(file: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
