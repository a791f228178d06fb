"""Stores in which concurrent transactions see, or tear, each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve as replace

from parcae.change import AnyEvent, Change, Revision
from parcae.ports import Committed, Recorded, Rule, Selection
from parcae.state import Stored
from parcae.values import JobId, Position
from parcae_adapters.contract import check, split
from parcae_specs.contracts.broken.base import Breakable


class LostUpdate(Breakable):
    """Reads, lets others in, then writes what it made of what it had read."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Without a lock, and without another look."""
        self._require_open()
        view = self._view(selection)
        changes, revisions = split(self.decided(rule, view))
        written = self.checked(changes)
        await asyncio.sleep(0)
        return self.revised(self.written(changes, written), revisions)


class WriteSkew(Breakable):
    """Isolates by snapshot: looks again only at the jobs that it writes."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Decide on a snapshot; decide anew if a job to be written has moved on."""
        self._require_open()
        while True:
            view = self._view(selection)
            result = self.decided(rule, view)
            changes, revisions = split(result)
            written = self.checked(changes)
            check(revisions, self._shelves.stored, self._shelves.reached)
            keys = dict(self._shelves.keys)
            await asyncio.sleep(0)
            same = view.place == self._shelves.place and keys == self._shelves.keys
            if same and self._untouched(written, revisions):
                done = self.kept(result, written)
                return replace(done, changes=changes, revisions=revisions)

    def _untouched(self, written: Sequence[Change], revisions: Sequence[Revision]) -> bool:
        # One commit may change the same thing several times: the first of them counts.
        jobs = {one.job_id: one.before for one in reversed(written)}
        streams = {one.stream: one.before for one in reversed(revisions)}
        return all(self._version(job) == before for job, before in jobs.items()) and all(
            self._shelves.reached(stream) == before for stream, before in streams.items()
        )

    def _version(self, job: JobId) -> int:
        stored = self._shelves.stored(job)
        return 0 if stored is None else stored.job.version


class EarlyNow(Breakable):
    """Takes the time when it is called, and then waits for its turn."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Decide on an instant that is over."""
        now = self.clock.now()
        return await super().transact(selection, lambda view: rule(replace(view, now=now)))


class HalfWritten(Breakable):
    """Checks and writes each change as it comes: when the second is refused, the first stays."""

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """Check and write, one by one."""
        written = [change for change in changes if not change.idle]
        for change in written:
            super().checked([change])
            self._shelves.write(change)
        return written

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """It is all written by now."""
        if written:
            self.wake(written)
        return Committed(changes=changes, position=self._shelves.position)


class HalfVisible(Breakable):
    """Writes a transaction in several steps, between which others can look."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._turn = threading.Lock()

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """One writer at a time, but readers come between."""
        while not self._turn.acquire(blocking=False):  # noqa: ASYNC110 - of any thread
            await asyncio.sleep(0)
        try:
            self._require_open()
            changes, revisions = split(self.decided(rule, self._view(selection)))
            written = self.checked(changes)
            for change in written:
                self._shelves.write(change)
                await asyncio.sleep(0)
            if written:
                self.wake(written)
            done = Committed(changes=changes, position=self._shelves.position)
            return self.revised(done, revisions)
        finally:
            self._turn.release()


class StaleRead(Breakable):
    """Answers questions about a job from a copy that lags one commit behind."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._before: dict[JobId, Stored | None] = {}

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Keep what was there before."""
        self._before = {one.job_id: self._shelves.stored(one.job_id) for one in written}
        return super().written(changes, written)

    async def fetch(self, job_id: JobId) -> Stored | None:
        """As it was."""
        now = await super().fetch(job_id)
        return self._before.get(job_id, now)


class SkipsLate(Breakable):
    """Takes positions when a commit begins and shows its events when it ends: not in turn."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._hidden: set[int] = set()
        self._commits = 0

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Every third commit takes longer than those after it."""
        done = await super().transact(selection, rule)
        number = sum(len(one.events) for one in done.changes)
        self._commits += 1
        if self._commits % 3 == 0:
            hidden = range(done.position - number + 1, done.position + 1)
            self._hidden.update(hidden)
            await asyncio.sleep(0.002)
            self._hidden.difference_update(hidden)
        return done

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """What has been committed by now."""
        some = await super().log(after, limit)
        return tuple(one for one in some if one.position not in self._hidden)
