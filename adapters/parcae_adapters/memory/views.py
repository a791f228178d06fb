"""What a rule is shown of the shelves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import assert_never

from parcae.admission import rate_keys
from parcae.admit import carry_key
from parcae.change import Key, View
from parcae.deliveries import Delivery
from parcae.groups import Group, member_id, window
from parcae.outbox import sendable
from parcae.ports import (
    CASCADE,
    Claimable,
    Deliverable,
    Named,
    Overdue,
    Restless,
    Selection,
    Spent,
    Ticking,
)
from parcae.queues import Queue
from parcae.schedules import Schedule
from parcae.state import Stored
from parcae.values import GroupId, Instant, JobId, Lane, StreamId
from parcae_adapters.memory.shelves import Shelves


def view(shelves: Shelves, selection: Selection, now: Instant, seed: int) -> View:
    """What ``selection`` names."""
    return _Loader(shelves, now, seed).load(selection)


class _Loader:
    """Collects one view."""

    def __init__(self, shelves: Shelves, now: Instant, seed: int) -> None:
        self._shelves = shelves
        self._now = now
        self._seed = seed
        self._jobs: dict[JobId, Stored] = {}
        self._keys: tuple[Key, ...] = ()
        self._blobs: tuple[JobId, ...] = ()
        self._queues: list[str] = []
        self._groups: dict[GroupId, Group] = {}
        self._members: tuple[JobId, ...] = ()
        self._schedules: dict[str, Schedule] = {}
        self._dependents: dict[str, tuple[JobId, ...]] = {}
        self._partial: set[str] = set()
        self._needed: frozenset[str] = frozenset()
        self._held: dict[Lane, int] = {}
        self._deliveries: dict[StreamId, Delivery] = {}

    def load(self, selection: Selection) -> View:
        """Everything, selection by selection."""
        shelves, now = self._shelves, self._now
        match selection:
            case Named():
                self._named(selection)
                if selection.lines:
                    self._occupied()
            case Claimable():
                self._take(shelves.claimable(selection, now))
                lanes = dict.fromkeys(one.job.spec.lane for one in self._jobs.values())
                self._keys = tuple(key for lane in lanes for key in rate_keys(lane))
                self._held = shelves.lines.held(self._set())
            case Overdue():
                self._take(islice(shelves.overdue(now), selection.limit))
                self._cascade()
            case Restless():
                self._restless(selection)
            case Ticking():
                found = islice(shelves.streams.overdue(Schedule, now), selection.limit)
                self._schedules = {one.name: one for one in found}
                self._queues += (one.plan.spec.lane.queue for one in self._schedules.values())
            case Deliverable():
                self._deliverable(selection)
            case Spent():
                self._deliver(*shelves.streams.outgoing.spent(selection))
            case _:
                assert_never(selection)
        return self._view()

    def _deliverable(self, wanted: Deliverable) -> None:
        streams = self._shelves.streams
        lines = sendable(streams.subscriptions, streams.seal)
        found = streams.outgoing.found(wanted, lines, self._now)
        heads = (streams.outgoing.head(one) for one in found if self._ordered(one))
        self._deliver(*found, *heads)
        # Who is sent may be the head in place of the one that was found: both have their bodies.
        self._blobs = tuple(map(JobId, self._deliveries))

    def _deliver(self, *deliveries: Delivery | None) -> None:
        self._deliveries.update((one.id, one) for one in deliveries if one is not None)

    def _ordered(self, one: Delivery) -> bool:
        to = self._shelves.streams.subscriptions.get(one.subscription)
        return to is not None and to.ordered

    def _occupied(self) -> None:
        """What decides how much room is left in the lanes of the jobs."""
        lanes = dict.fromkeys(one.job.spec.lane for one in self._jobs.values())
        self._keys = (*self._keys, *(key for lane in lanes for key in rate_keys(lane)))
        self._held = self._shelves.lines.held(self._set())

    def _named(self, wanted: Named) -> None:
        shelves, streams = self._shelves, self._shelves.streams
        rows = (shelves.keys.get(key) for key in wanted.keys)
        names = (*wanted.ids, *(row.job_id for row in rows if row is not None))
        self._take(names)
        self._needed = frozenset(filter(shelves.edges.needed, self._jobs))
        for name in (*wanted.groups, *map(GroupId, names)):
            if name in streams.groups:
                self._groups[name] = streams.groups[name]
        for schedule in wanted.schedules:
            if schedule in streams.schedules:
                self._schedules[schedule] = streams.schedules[schedule]
        outgoing = streams.outgoing
        for delivery in filter(None, map(outgoing.rows.get, wanted.deliveries)):
            behind = outgoing.behind(delivery) if self._ordered(delivery) else None
            self._deliver(delivery, behind)
        self._keys = wanted.keys
        self._blobs = tuple(self._jobs) if wanted.blobs else ()
        self._queues += wanted.queues
        self._cascade()

    def _restless(self, wanted: Restless) -> None:
        group = next(self._shelves.streams.overdue(Group, self._now), None)
        if group is None:
            return
        self._groups[group.id] = group
        seen = window(group)
        if seen is not None:
            onward = range(seen.first, group.size if seen.ascending else -1, seen.ascending * 2 - 1)
            indices = onward[: wanted.limit]
            opened_at, seed = group.opened_at, group.seed
            self._members = tuple(member_id(opened_at, seed, index) for index in indices)
            self._keys = tuple(map(carry_key, self._members))
        self._take(self._members)
        self._blobs = tuple(self._jobs) if seen is not None and seen.blobs else ()
        self._cascade()

    def _take(self, names: Iterable[JobId]) -> None:
        rows = self._shelves.rows
        self._jobs.update((one, rows[one].stored) for one in names if one in rows)

    def _cascade(self) -> None:
        """Whoever waits for what is in the view, and who waits for them: the nearest first."""
        for stored in self._jobs.values():
            self._belongs(stored)
        line: deque[str] = deque((*self._jobs, *self._groups))
        left = CASCADE
        while line:
            parent = line.popleft()
            waiting = self._shelves.edges.waiting(parent)
            fresh = [one for one in waiting if one not in self._jobs]
            for child in fresh[:left]:
                stored = self._jobs[child] = self._shelves.rows[child].stored
                line.append(child)
                line.extend(self._belongs(stored))
            if len(fresh) > left:
                self._partial.add(parent)
            left = max(left - len(fresh), 0)
            shown = tuple(one for one in waiting if one in self._jobs)
            if shown:
                self._dependents[parent] = shown

    def _belongs(self, stored: Stored) -> Iterable[GroupId]:
        """The job's group, if it was not in the view before."""
        membership = stored.job.spec.group
        name = None if membership is None else membership.group_id
        if name is None or name in self._groups or name not in self._shelves.streams.groups:
            return ()
        self._groups[name] = self._shelves.streams.groups[name]
        return (name,)

    def _set(self) -> dict[str, Queue]:
        """What is set for the queues of the jobs, and for those asked for."""
        names = (*self._queues, *(one.job.spec.lane.queue for one in self._jobs.values()))
        queues = self._shelves.streams.queues
        return {name: queues[name] for name in names if name in queues}

    def _view(self) -> View:
        shelves = self._shelves
        kept = ((one, shelves.blobs(one)) for one in self._blobs)
        return View(
            now=self._now,
            place=shelves.place,
            seed=self._seed,
            jobs=self._jobs,
            keys={key: shelves.keys[key] for key in self._keys if key in shelves.keys},
            blobs={(one, name): data for one, blobs in kept for name, data in blobs.items()},
            dependents=self._dependents,
            partial=frozenset(self._partial),
            needed=self._needed,
            queues=self._set(),
            held=self._held,
            groups=self._groups,
            members=self._members,
            schedules=self._schedules,
            subscriptions=shelves.streams.subscriptions,
            seal=shelves.streams.seal,
            deliveries=self._deliveries,
        )
