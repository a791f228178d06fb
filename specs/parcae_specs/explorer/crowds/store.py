"""The store of a world: what it loads for a selection, as :mod:`parcae.ports` says it has to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from parcae.admission import rate_keys
from parcae.change import Key, View
from parcae.context import PAYLOAD, result_name
from parcae.groups import Group, window
from parcae.queues import Queue
from parcae.state import Pending, Stored
from parcae.values import GroupId, JobId, Lane, Place
from parcae_specs.explorer.crowds.world import GroupRow, World

SEED = 1_000
"""From here on seeds count up, so that no two jobs of a world get the same name."""


class Shelf:
    """Loads views of one world.

    Args:
        world: which one.
        cascade: how many dependents a view holds at the most.
    """

    def __init__(self, world: World, cascade: int) -> None:
        self.world = world
        self.cascade = cascade
        self.rows = {row.id: row for row in world.rows}
        self.waiting: dict[str, list[JobId]] = {}
        for row in world.rows:
            if row.stored is not None and isinstance(row.stored.job.state, Pending):
                for parent in row.stored.job.state.unsettled:
                    self.waiting.setdefault(parent, []).append(row.id)

    def named(
        self, ids: Iterable[str] = (), keys: Iterable[Key] = (), *, blobs: bool = False
    ) -> View:
        """What :class:`parcae.ports.Named` asks for."""
        rows = {row.key: row for row in self.world.keys}
        found = {key: rows[key] for key in keys if key in rows}
        names = [*ids, *(row.job_id for row in found.values())]
        unfinished = {name for name in names if self._needed(name)}
        return self._view(names, keys=found, needed=frozenset(unfinished), blobs=blobs)

    def claimable(self) -> View:
        """What :class:`parcae.ports.Claimable` asks for: all that is offered now."""
        now = self.world.now
        names = [
            row.id
            for row in self.world.rows
            if row.offer is not None
            and row.offer.at <= now
            and (row.offer.until is None or row.offer.until > now)
        ]
        lanes = {row.spec.lane for row in self.world.rows}
        rates = {key for lane in lanes for key in rate_keys(lane)}
        keys = {row.key: row for row in self.world.keys if row.key in rates}
        return self._view(names, keys=keys, dependents=False, held=self._held())

    def overdue(self, limit: int) -> View:
        """What :class:`parcae.ports.Overdue` asks for."""
        now = self.world.now
        due = [(row.remind, slot) for slot, row in enumerate(self.world.rows) if row.remind]
        first = [slot for at, slot in sorted(due) if at <= now][:limit]
        return self._view([self.world.rows[slot].id for slot in first])

    def restless(self, limit: int) -> View | None:
        """What :class:`parcae.ports.Restless` asks for; ``None``: no group is to go on."""
        due = [row for row in self.world.groups if row.remind and row.remind <= self.world.now]
        if not due:
            return None
        row = min(due, key=lambda one: one.remind or self.world.now)
        members = self._members(row, limit)
        return self._view([row.group.id, *members], members=members, blobs=True)

    def _members(self, row: GroupRow, limit: int) -> tuple[JobId, ...]:
        seen = window(row.group)
        if seen is None:
            return ()
        mine: dict[int, JobId] = {}
        for one in self.world.rows:
            membership = one.spec.group
            if membership and membership.group_id == row.group.id and not membership.undoes:
                mine[membership.index] = one.id
        if seen.ascending:
            wanted = [index for index in sorted(mine) if index >= seen.first]
        else:
            wanted = [index for index in sorted(mine, reverse=True) if index <= seen.first]
        return tuple(mine[index] for index in wanted[:limit])

    def _needed(self, name: str) -> bool:
        return any(
            not row.quiet and any(one.parent == name for one in row.spec.dependencies)
            for row in self.world.rows
        )

    def _held(self) -> Mapping[Lane, int]:
        held: dict[Lane, int] = {}
        for row in self.world.rows:
            if row.stored is not None and row.stored.job.lease is not None:
                lane = row.spec.lane
                held[lane] = held.get(lane, 0) + 1
        return held

    def _view(
        self,
        names: Sequence[str],
        *,
        dependents: bool = True,
        blobs: bool = False,
        **more: object,
    ) -> View:
        found, partial = self._cascade(names) if dependents else ({}, frozenset())
        every = dict.fromkeys([*names, *(one for below in found.values() for one in below)])
        jobs: dict[JobId, Stored] = {}
        for name in every:
            row = self.rows.get(JobId(name))
            if row is not None and row.stored is not None:
                jobs[row.id] = row.stored
        return View(
            now=self.world.now,
            place=self.place(),
            seed=SEED + len(self.world.rows),
            jobs=MappingProxyType(jobs),
            dependents=found,
            partial=partial,
            queues=self._queues(),
            groups=self._groups(every, jobs),
            blobs=_blobs(jobs) if blobs else {},
            **more,  # type: ignore[arg-type]
        )

    def _groups(
        self, names: Iterable[str], jobs: Mapping[JobId, Stored]
    ) -> Mapping[GroupId, Group]:
        """Those asked for come first, as :class:`parcae.ports.Restless` says."""
        wanted = [GroupId(name) for name in names if name.startswith("group/")]
        wanted += [one.job.spec.group.group_id for one in jobs.values() if one.job.spec.group]
        known = {row.group.id: row.group for row in self.world.groups}
        return {name: known[name] for name in wanted if name in known}

    def _cascade(
        self, names: Iterable[str]
    ) -> tuple[Mapping[str, tuple[JobId, ...]], frozenset[str]]:
        found: dict[str, tuple[JobId, ...]] = {}
        partial: set[str] = set()
        roots = list(names)
        seen, below, line = set(roots), 0, deque(roots)
        while line:
            parent = line.popleft()
            group = self._group_of(parent)
            if group is not None and group not in seen:
                # What ends a job may end its group, for which others may wait.
                seen.add(group)
                line.append(group)
            for child in self.waiting.get(parent, ()):
                if child not in seen:
                    if below == self.cascade:
                        partial.add(parent)
                        continue
                    below += 1
                    seen.add(child)
                    line.append(child)
                found[parent] = (*found.get(parent, ()), child)
        return found, frozenset(partial)

    def _group_of(self, name: str) -> GroupId | None:
        row = self.rows.get(JobId(name))
        return row.spec.group.group_id if row is not None and row.spec.group else None

    def _queues(self) -> Mapping[str, Queue]:
        queue = self.world.queue.queue
        return {} if queue is None else {queue.name: queue}

    def place(self) -> Place:
        """The first free place in line."""
        used = [row.stored.job.place for row in self.world.rows if row.stored is not None]
        return Place(max(used, default=0) + 1)


def _blobs(jobs: Mapping[JobId, Stored]) -> Mapping[tuple[JobId, str], bytes]:
    return {
        (name, blob): b"1"
        for name, stored in jobs.items()
        for blob in (PAYLOAD, *(result_name(one.name) for one in stored.job.spec.phases))
    }
