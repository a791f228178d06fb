"""Stores that keep something else than they were told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve as replace

from parcae.change import Change, Revision, View
from parcae.errors import Conflict
from parcae.events import Deleted, Submitted
from parcae.ports import Claimable, Committed, Extent, Overdue, Rule, Selection
from parcae.saga import resume
from parcae.state import Stored
from parcae.values import JobId, Place, Position, Version
from parcae_specs.contracts.broken.base import Breakable


class NoSecondFence(Breakable):
    """Believes whatever a rule says about a job that has ended."""

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """Only the versions are compared."""
        written = [change for change in changes if not change.idle]
        before: dict[JobId, int] = {}
        for change in written:
            stored = self._shelves.stored(change.job_id)
            found = before.get(change.job_id, 0 if stored is None else stored.job.version)
            if found != change.before:
                # The reference says it best.
                return super().checked(changes)
            before[change.job_id] = change.before + len(change.events)
        self._shelves.refuse_reuse(written)
        return written


class KeepsShape(Breakable):
    """Reads the spec of a job in its first event, whatever has become of it since."""

    async def fetch(self, job_id: JobId) -> Stored | None:
        """The rest of it is true."""
        found = await super().fetch(job_id)
        first = next(iter(await self.history(job_id)), None)
        if found is None or first is None or not isinstance(first.event, Submitted):
            return found
        return replace(found, job=replace(found.job, spec=first.event.spec))


class NameReuse(Breakable):
    """Forgets a deleted job so thoroughly that its name is free again."""

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """Whoever is not there may be admitted."""
        try:
            return super().checked(changes)
        except Conflict:
            first = next(iter(changes), None)
            gone = first is not None and self._shelves.stored(first.job_id) is None
            if first is None or not gone or first.before:
                raise
            return [first]


class HidesGaps(Breakable):
    """Says of its log that it is whole, whatever was deleted."""

    async def extent(self) -> Extent:
        """Where it ends is true."""
        return Extent(head=(await super().extent()).head)


class ForgetsKeys(Breakable):
    """Deletes a job's keys with the job."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Write, then clean up too well."""
        done = super().written(changes, written)
        gone = {one.job_id for one in written if one.job is None}
        kept = self._shelves.keys
        for key in [key for key, row in kept.items() if row.job_id in gone]:
            del kept[key]
        return done


class KeepsHistory(Breakable):
    """Marks a job as deleted, and keeps what it was told to forget."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Nothing but the row goes."""
        kept = {one.job_id: list(self._shelves.histories.get(one.job_id, ())) for one in written}
        done = super().written(changes, written)
        for one in written:
            if any(isinstance(event, Deleted) for event in one.events):
                self._shelves.histories[one.job_id][:0] = kept[one.job_id]
        return done


class DropsRenewals(Breakable):
    """Writes nothing where there is no event: so no renewal either."""

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """What has no event seems idle."""
        return [change for change in super().checked(changes) if change.events]


class CountsRenewals(Breakable):
    """Answers every transaction with a position of its own, whether it wrote an event or not."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """As if there were one more."""
        done = super().written(changes, written)
        quiet = written and not any(one.events for one in written)
        return replace(done, position=Position(done.position + 1)) if quiet else done


class VersionPerCommit(Breakable):
    """Counts commits, not events: the events of one commit have one version."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """Write, then put the same number on all."""
        done = super().written(changes, written)
        for one in written:
            history = self._shelves.histories.get(one.job_id, [])
            for index in range(len(history) - len(one.events), len(history)):
                last = Version(one.before + len(one.events))
                changed = replace(history[index], version=last)
                self._shelves._log[history[index].position - 1] = changed
                history[index] = changed
        return done


class OffersByItself(Breakable):
    """Works out from the state what is offered, whatever the effects say."""

    def checked(self, changes: Iterable[Change]) -> Sequence[Change]:
        """With effects of its own."""
        return [
            change
            if change.job is None
            else replace(change, effects=resume(Stored(job=change.job, liveness=change.liveness)))
            for change in super().checked(changes)
        ]


class PlaceReuse(Breakable):
    """Gives the first place that no job has at the moment."""

    def _view(self, selection: Selection) -> View:
        rows = self._shelves.rows.values()
        used = max((row.stored.job.place for row in rows), default=0)
        return replace(super()._view(selection), place=Place(used + 1))


class LastInFirstOut(Breakable):
    """Offers the newest first."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        if not isinstance(selection, Claimable):
            return view
        wide = replace(selection, limit=1_000)
        every = list(super()._view(wide).jobs.items())[::-1]
        return replace(view, jobs=dict(every[: selection.limit]))


class CutsShort(Breakable):
    """Counts those that a claimer is left without among its limit: nobody behind them is found."""

    def _view(self, selection: Selection) -> View:
        if not isinstance(selection, Claimable):
            return super()._view(selection)
        view = super()._view(replace(selection, without=frozenset()))
        left = {one: job for one, job in view.jobs.items() if one not in selection.without}
        return replace(view, jobs=left)


class DueByName(Breakable):
    """Settles what is overdue in the order of the names: under load the oldest waits for ever."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        if not isinstance(selection, Overdue):
            return view
        every = super()._view(replace(selection, limit=1_000)).jobs
        return replace(view, jobs={one: every[one] for one in sorted(every)[: selection.limit]})


class Swallows(Breakable):
    """Answers a rule that raises with nothing, as if nothing had been asked."""

    def decided(self, rule: Rule, view: View) -> Sequence[Change | Revision]:
        """No news is good news."""
        try:
            return super().decided(rule, view)
        except Exception:  # noqa: BLE001 - that is what is wrong with it
            return ()
