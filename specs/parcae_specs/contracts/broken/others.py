"""Stores that forget who waits for whom, or what happens beside jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve as replace

from parcae.change import AnyEvent, Change, Revision, View
from parcae.effects import Remind
from parcae.events import Event
from parcae.ports import Committed, Named, Recorded, Rule, Selection
from parcae.state import Pending
from parcae.values import JobId, Position
from parcae_adapters.contract import check, split
from parcae_specs.contracts.broken.base import Breakable
from parcae_specs.contracts.broken.lasting import Kept


class ForgetsEdges(Breakable):
    """Shows a job, and none of those who wait for it."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        waiting = _waiting(view) - _asked(selection)
        jobs = {name: one for name, one in view.jobs.items() if name not in waiting}
        return replace(view, jobs=jobs, dependents={}, partial=frozenset())


class FirstLevel(Breakable):
    """Shows who waits for a job, but not who waits for them."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        far = _waiting(view) - _asked(selection)
        near = {name: some for name, some in view.dependents.items() if name not in far}
        far -= {child for some in near.values() for child in some}
        jobs = {name: one for name, one in view.jobs.items() if name not in far}
        return replace(view, jobs=jobs, dependents=near)


class OwesNothing(Breakable):
    """Looks at no ended job again, whoever still waits for it."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """An end is an end."""
        kept = [
            one
            if one.job is None or not one.job.status.is_terminal
            else replace(one, effects=tuple(e for e in one.effects if not isinstance(e, Remind)))
            for one in written
        ]
        return super().written(changes, kept)


class NeededWhilePending(Breakable):
    """Thinks that a job whose dependents have begun is needed no more."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        pending = {
            parent
            for row in self._shelves.rows.values()
            if isinstance(row.stored.job.state, Pending)
            for parent in row.stored.job.spec.by_parent
        }
        return replace(view, needed=view.needed & pending)


class DropsRevisions(Breakable):
    """Writes what becomes of jobs, and of nothing else."""

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Say that it was written."""
        return replace(done, revisions=revisions)


class JobsFirst(Breakable):
    """Commits what becomes of jobs, and then what becomes of others: in two commits."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Whoever comes between sees the one without the other."""
        await asyncio.sleep(0)
        self._require_open()
        changes, revisions = split(self.decided(rule, self._view(selection)))
        check(revisions, self._shelves.stored, self._shelves.reached)
        done = self.written(changes, self.checked(changes))
        if changes and revisions:
            await asyncio.sleep(0)
        return self.revised(done, revisions)


class JobsAnyway(Breakable):
    """Refuses what does not fit to a queue, and keeps what was to go with it."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Check and write the jobs, then check and write the others."""
        await asyncio.sleep(0)
        self._require_open()
        changes, revisions = split(self.decided(rule, self._view(selection)))
        done = self.written(changes, self.checked(changes))
        check(revisions, self._shelves.stored, self._shelves.reached)
        return self.revised(done, revisions)


class NeverRestless(Breakable):
    """Keeps a group, but not when it has to go on."""

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Whoever wants to go on has to be asked for by name."""
        super().revised(done, [replace(one, remind=None) for one in revisions])
        return replace(done, revisions=revisions, position=self._shelves.position)


class JobsAlone(Breakable):
    """Has a log of jobs, where others should be, too."""

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """Without queues, groups and schedules."""
        some = await super().log(after, limit)
        return tuple(one for one in some if isinstance(one.event, Event))


class ForgetsSettings(Kept):
    """Opened again, it knows of no queue."""

    def __init__(self, folder: Path, **given: Any) -> None:
        super().__init__(folder, **given)
        streams = self._shelves.streams
        for name in tuple(streams.queues):
            del streams.queues[name]
        for stream in [one for one in streams.rows if one.startswith("queue/")]:
            del streams.rows[stream]


def _waiting(view: View) -> set[JobId]:
    """Those who are in the view because they wait for somebody in it."""
    return {child for some in view.dependents.values() for child in some}


def _asked(selection: Selection) -> set[JobId]:
    """Those who would be in the view even if they waited for nobody."""
    return set(selection.ids) if isinstance(selection, Named) else set()
