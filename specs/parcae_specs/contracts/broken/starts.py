"""Stores that count, order or remember otherwise who may start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve as replace

from parcae.admission import order
from parcae.change import Change, Revision, View
from parcae.ports import Claimable, Committed, Selection
from parcae.queues import Queue
from parcae.state import Stored
from parcae.values import JobId
from parcae_adapters.memory.shelves import RATES, Row
from parcae_specs.contracts.broken.base import Breakable


class IgnoresHeld(Breakable):
    """Shows a claim no slot that is held."""

    def _view(self, selection: Selection) -> View:
        return replace(super()._view(selection), held={})


class NeverFrees(Breakable):
    """Counts slots when jobs start, and never takes them back when they end."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        lines = self._shelves.lines
        hold = lines.hold
        lines.hold = lambda job, count: hold(job, max(count, 0))  # type: ignore[method-assign]


class LimitsLast(Breakable):
    """Takes the first of all that are offered, and leaves out afterwards who may not start."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        if not isinstance(selection, Claimable):
            return view
        first = dict(self._first(selection, view))
        return replace(view, jobs={one: it for one, it in view.jobs.items() if one in first})

    def _first(self, wanted: Claimable, view: View) -> list[tuple[JobId, Stored]]:
        found = sorted(self._offered(wanted, view), key=lambda one: self.turn(one, view))
        return [(one.stored.job.id, one.stored) for one in found[: wanted.limit]]

    def _offered(self, wanted: Claimable, view: View) -> Iterator[Row]:
        for row in self._shelves.rows.values():
            offer = row.offer
            if offer is not None and offer.at <= view.now and offer.kind in wanted.kinds:
                yield row

    def turn(self, row: Row, view: View) -> tuple[bool, int, int]:
        """Where it stands in line."""
        assert row.offer is not None
        return order(row.offer, view.queues.get(row.offer.lane.queue))


class Ageless(LimitsLast):
    """Takes the first by priority and place, as if nobody aged."""

    def turn(self, row: Row, view: View) -> tuple[bool, int, int]:
        """Where it would stand without aging."""
        del view
        assert row.offer is not None
        return order(row.offer)


class NeverPromotes(Breakable):
    """Puts a job for later aside, and does not look there again."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._later: set[JobId] = set()

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Whoever is offered now is in line, and nobody else."""
        done = super().written(changes, written)
        for one in written:
            row = self._shelves.rows.get(one.job_id)
            later = row is not None and row.offer is not None and row.offer.at > self.clock.now()
            (self._later.add if later else self._later.discard)(one.job_id)
        return done

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        if not isinstance(selection, Claimable):
            return view
        jobs = {name: one for name, one in view.jobs.items() if name not in self._later}
        return replace(view, jobs=jobs)


class ForgetsRates(Breakable):
    """Keeps the keys of jobs, but not those that say when the next may start."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Write, then let go what is no job's."""
        done = super().written(changes, written)
        for key in [key for key in self._shelves.keys if key.scope in RATES]:
            del self._shelves.keys[key]
        return done


class StaleSettings(Breakable):
    """Claims by what was set for a queue before it was last set."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._before: dict[str, Queue | None] = {}

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Keep what was set before."""
        for one in revisions:
            if isinstance(one.after, Queue):
                name = one.after.name
                self._before[name] = self._shelves.streams.queues.get(name)
        return super().revised(done, revisions)

    def _view(self, selection: Selection) -> View:
        if not isinstance(selection, Claimable):
            return super()._view(selection)
        queues = self._shelves.streams.queues
        now = dict(queues)
        try:
            for name, before in self._before.items():
                queues.pop(name)
                if before is not None:
                    queues[name] = before
            return super()._view(selection)
        finally:
            queues.clear()
            queues.update(now)
