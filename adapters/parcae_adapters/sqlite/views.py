"""From a selection to the view that a rule is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from parcae.admission import rate_keys
from parcae.admit import carry_key
from parcae.change import View
from parcae.groups import Group, member_id, window
from parcae.ports import (
    Claimable,
    Clock,
    Deliverable,
    Entropy,
    Named,
    Overdue,
    Restless,
    Selection,
    Spent,
    Ticking,
)
from parcae.queues import Queue
from parcae.schedules import Schedule, schedule_stream
from parcae.state import Stored
from parcae.values import GroupId, Instant, JobId, Place, StreamId
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.claims import claimable, occupied
from parcae_adapters.sqlite.outgoing import deliverable, named, spent
from parcae_adapters.sqlite.rows import exact
from parcae_adapters.sqlite.tables import Tables
from parcae_adapters.sqlite.waiting import Waiting

GROUP = "group/"

Parts = dict[str, Any]
"""What a view is made of, by the names of its attributes."""


class Views:
    """Loads what selections name."""

    def __init__(self, tables: Tables, clock: Clock, entropy: Entropy) -> None:
        self._tables = tables
        self._clock = clock
        self._entropy = entropy

    def view(self, selection: Selection) -> View:
        """What ``selection`` names, now."""
        now = self._clock.now()
        parts = self._parts(selection, now)
        subscriptions, seal = self._tables.listening()
        if subscriptions or seal.version:
            parts = {**parts, "subscriptions": subscriptions, "seal": seal}
        return View(now=now, place=Place(self._tables.place), seed=self._entropy(), **parts)

    def _parts(self, selection: Selection, now: Instant) -> Parts:
        match selection:
            case Named():
                return self._named(selection)
            case Claimable():
                return claimable(self._tables, selection, now)
            case Overdue():
                due = self._tables.query(sql.OVERDUE, (exact(now), selection.limit))
                return self._waiting(due)
            case Restless():
                return self._restless(selection, now)
            case Ticking():
                due = self._tables.query(sql.TICKING, (exact(now), selection.limit))
                return self._ticking(map(StreamId, due))
            case Deliverable():
                return deliverable(self._tables, selection, now)
            case Spent():
                return spent(self._tables, selection)
            case _:
                assert_never(selection)

    def _named(self, wanted: Named) -> Parts:
        tables = self._tables
        more = (wanted.keys, wanted.queues, wanted.groups, wanted.schedules, wanted.deliveries)
        if not any(more) and not wanted.blobs and (jobs := self._lonely(wanted.ids)) is not None:
            return {"jobs": jobs}
        keys = tables.keys(wanted.keys)
        names = dict.fromkeys((*wanted.ids, *(row.job_id for row in keys.values())))
        ids = [one for one in names if not one.startswith(GROUP)]
        asked = (*wanted.groups, *(GroupId(one) for one in names if one.startswith(GROUP)))
        parts = self._waiting(ids, asked, wanted.queues)
        there = [one for one in ids if one in parts["jobs"]]
        if tables.has_edges():
            needed = (one for one in there if tables.edges(sql.NEEDED, (one,)))
            parts["needed"] = frozenset(needed)
        if wanted.blobs:
            parts["blobs"] = tables.blobs(there)
        if wanted.lines and parts["queues"]:
            lanes = dict.fromkeys(one.job.spec.lane for one in parts["jobs"].values())
            rates = dict.fromkeys(key for lane in lanes for key in rate_keys(lane))
            keys = {**keys, **tables.keys(rates)}
            parts["held"] = occupied(tables.connection, parts["queues"])
        if wanted.deliveries:
            parts["deliveries"] = named(tables, wanted.deliveries)
        if wanted.schedules:
            parts["schedules"] = self._schedules(map(schedule_stream, wanted.schedules))
        return {**parts, "keys": keys}

    def _lonely(self, ids: tuple[JobId, ...]) -> dict[JobId, Stored] | None:
        """These jobs, if none has anything to do with groups, queues or others: most have not."""
        tables = self._tables
        if tables.has_edges() or tables.queues():
            return None
        tables.load(ids)
        jobs = {one: found for one in ids if (found := tables.stored(one)) is not None}
        belongs = any(stored.job.spec.group is not None for stored in jobs.values())
        return None if belongs or any(one.startswith(GROUP) for one in ids) else jobs

    def _restless(self, wanted: Restless, now: Instant) -> Parts:
        tables = self._tables
        names = tables.query(sql.RESTLESS, (exact(now),))
        group = tables.aggregate(StreamId(names[0])) if names else None
        if not isinstance(group, Group):
            return {}
        members = _members(group, wanted.limit)
        parts = self._waiting(members, (group.id,))
        seen = window(group)
        if seen is not None and seen.blobs:
            parts["blobs"] = tables.blobs(one for one in members if one in parts["jobs"])
        # Whether somebody has taken up by hand what a member did.
        parts["keys"] = tables.keys(map(carry_key, members))
        return {**parts, "members": members}

    def _ticking(self, streams: Iterable[StreamId]) -> Parts:
        schedules = self._schedules(streams)
        named = (one.plan.spec.lane.queue for one in schedules.values())
        return {"schedules": schedules, "queues": self._queues({}, named)}

    def _schedules(self, streams: Iterable[StreamId]) -> dict[str, Schedule]:
        found = (self._tables.aggregate(stream) for stream in streams)
        return {one.name: one for one in found if isinstance(one, Schedule)}

    def _waiting(
        self,
        ids: Iterable[JobId],
        groups: Iterable[GroupId] = (),
        queues: Iterable[str] = (),
    ) -> Parts:
        """Jobs and groups, with whoever waits for them, directly or not, and their queues."""
        found = Waiting(self._tables, ids, groups)
        return {
            "jobs": found.jobs,
            "groups": found.groups,
            "dependents": found.dependents,
            "partial": frozenset(found.partial),
            "queues": self._queues(found.jobs, queues),
        }

    def _queues(self, jobs: dict[JobId, Stored], named: Iterable[str]) -> dict[str, Queue]:
        queues = self._tables.queues()
        if not queues:
            return {}
        lanes = (stored.job.spec.lane.queue for stored in jobs.values())
        return {name: queues[name] for name in (*named, *lanes) if name in queues}


def _members(group: Group, limit: int) -> tuple[JobId, ...]:
    """Those in the window of ``group``, in its order."""
    seen = window(group)
    if seen is None:
        return ()
    onward = range(seen.first, group.size) if seen.ascending else range(seen.first, -1, -1)
    opened_at, seed = group.opened_at, group.seed
    return tuple(member_id(opened_at, seed, index) for index in onward[:limit])
