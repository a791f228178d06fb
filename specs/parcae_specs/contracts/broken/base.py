"""What the broken stores are made from: the memory store, taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from attrs import evolve as replace

from parcae.change import Change, Revision, View, announced
from parcae.outbox import complete
from parcae.ports import Committed, Rule, Selection
from parcae_adapters.contract import check, split
from parcae_adapters.memory import MemoryStore


class Breakable(MemoryStore):
    """A memory store in steps, each of which somebody can get wrong."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Like the original, in steps."""
        await asyncio.sleep(0)
        with self._lock:
            self._require_open()
            result = self.decided(rule, self._view(selection))
            changes, revisions = split(result)
            written = self.checked(changes)
            check(revisions, self._shelves.stored, self._shelves.reached)
            done = self.kept(result, written)
            return replace(done, changes=changes, revisions=revisions)

    def kept(self, result: Sequence[Change | Revision], written: Sequence[Change]) -> Committed:
        """Write in the rule's order."""
        done = Committed(changes=(), position=self._shelves.position)
        left = {(one.job_id, one.before): one for one in written}
        for _, some in groupby(result, key=type):
            changes, revisions = split(some)
            if revisions:
                done = self.revised(done, revisions)
                continue
            found = (left.pop((one.job_id, one.before), None) for one in changes if not one.idle)
            done = self.written(changes, [one for one in found if one is not None])
        return done

    def decided(self, rule: Rule, view: View) -> Sequence[Change | Revision]:
        """What the rule makes of it."""
        return complete(view, tuple(rule(view)))

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """Those to be written; refuses what must not be."""
        changes = tuple(changes)
        check(changes, self._shelves.stored, self._shelves.reached)
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

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Write what became of others, in the same step."""
        for revision in revisions:
            self._shelves.revise(revision)
        if not revisions:
            return done
        self._bus.notify(announced(revisions))
        return replace(done, revisions=revisions, position=self._shelves.position)

    def wake(self, written: Sequence[Change]) -> None:
        """Tell whoever waits."""
        self._bus.notify(announced(written))
