"""What the broken stores are made from: the memory store, taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from parcae.change import Change, View, announced
from parcae.ports import Committed, Rule, Selection
from parcae_adapters.contract import check
from parcae_adapters.memory import MemoryStore


class Breakable(MemoryStore):
    """A memory store in steps, each of which somebody can get wrong."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Like the original, in steps."""
        await asyncio.sleep(0)
        with self._lock:
            self._require_open()
            changes = self.decided(rule, self._view(selection))
            written = self.checked(changes)
            return self.written(changes, written)

    def decided(self, rule: Rule, view: View) -> Sequence[Change]:
        """What the rule makes of it."""
        return tuple(rule(view))

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """Those to be written; refuses what must not be."""
        changes = tuple(changes)
        check(changes, self._shelves.stored)
        written = [change for change in changes if not change.idle]
        self._shelves.refuse_reuse(written)
        return written

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Write, wake, answer."""
        for change in written:
            self._shelves.write(change)
        if written:
            self.wake(written)
        return Committed(changes=changes, position=self._shelves.position)

    def wake(self, written: Sequence[Change]) -> None:
        """Tell whoever waits."""
        self._bus.notify(announced(written))
