"""Stores that answer before what they answered is safe."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parcae.change import Change, Revision, announced
from parcae.ports import Committed, Rule, Selection
from parcae.values import Position
from parcae_adapters.contract import check, split
from parcae_adapters.memory.shelves import Shelves
from parcae_specs.contracts.broken.base import Breakable

FILE = "kept"


class Kept(Breakable):
    """A memory store that is kept in a file: sound, and the one that the next ones break."""

    def __init__(self, folder: Path, **given: Any) -> None:
        super().__init__(**given)
        self._file = folder / FILE
        if self._file.exists():
            # A test's own file, in a folder of its own.
            self._shelves = pickle.loads(self._file.read_bytes())

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Answer once it is in the file."""
        done = super().written(changes, written)
        if written:
            self.save()
        return done

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Those who are no jobs are in it, too."""
        revised = super().revised(done, revisions)
        if revisions:
            self.save()
        return revised

    def save(self) -> None:
        """Write all of it."""
        self._file.write_bytes(pickle.dumps(self._shelves))


class SavesNowAndThen(Kept):
    """Writes its file at every fourth commit: what came after the last of them is lost."""

    commits = 0

    def save(self) -> None:
        """Not each time."""
        self.commits += 1
        if self.commits % 4 == 0:
            super().save()


class RestartsPlaces(Kept):
    """Keeps everything but the next free place: after a restart the line begins anew."""

    def __init__(self, folder: Path, **given: Any) -> None:
        super().__init__(folder, **given)
        shelves: Shelves = self._shelves
        shelves.place = Shelves().place


class AnswersFirst(Breakable):
    """Answers by what the rule said, and commits a moment later, if nothing comes between."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """The commit is left to a task that nobody waits for."""
        await asyncio.sleep(0)
        with self._lock:
            self._require_open()
            changes, _ = split(self.decided(rule, self._view(selection)))
            check(changes, self._shelves.stored, self._shelves.reached)
            written = [change for change in changes if not change.idle]
            number = sum(len(change.events) for change in written)
        asyncio.get_running_loop().call_later(0.001, self._commit, written)
        return Committed(changes=changes, position=Position(self._shelves.position + number))

    def _commit(self, written: Sequence[Change]) -> None:
        with self._lock:
            try:
                check(written, self._shelves.stored, self._shelves.reached)
            except Exception:  # noqa: BLE001 - it was answered long ago
                return
            for change in written:
                self._shelves.write(change)
            if written:
                self._bus.notify(announced(written))
