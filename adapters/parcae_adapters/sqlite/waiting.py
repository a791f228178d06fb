"""Who waits for whom: the pending dependents of jobs and groups, direct and indirect."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from parcae.groups import Group
from parcae.ports import CASCADE
from parcae.state import Stored
from parcae.values import GroupId, JobId, StreamId
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.tables import Tables


class Waiting:
    """Jobs and groups, and their dependents, the nearest first, no more of them than ``CASCADE``.

    Attributes:
        jobs: the jobs asked for, then the dependents.
        groups: those asked for, and those that the jobs belong to, whose end may follow theirs.
        dependents: who waits for each, so far as it is among the jobs.
        partial: those for which others wait, too.
    """

    def __init__(self, tables: Tables, ids: Iterable[JobId], groups: Iterable[GroupId]) -> None:
        self._tables = tables
        self.jobs: dict[JobId, Stored] = {}
        self.groups: dict[GroupId, Group] = {}
        self.dependents: dict[str, tuple[JobId, ...]] = {}
        self.partial: set[str] = set()
        for name in groups:
            self._add_group(name)
        for one in ids:
            self._add(one)
        if tables.has_edges():
            self._cascade()

    def _cascade(self) -> None:
        room = CASCADE
        line: deque[str] = deque((*self.jobs, *self.groups))
        while line:
            parent = line.popleft()
            # Those that are known need no room: one more than both tells if there are too many.
            most = room + len(self.jobs) + 1
            waiting = self._tables.edges(sql.DEPENDENTS, (parent, most))
            fresh = [one for one in waiting if one not in self.jobs]
            if len(fresh) > room:
                self.partial.add(parent)
            for child in fresh[:room]:
                line.append(child)
                line.extend(self._add(child))
            room = max(room - len(fresh), 0)
            shown = tuple(one for one in waiting if one in self.jobs)
            if shown:
                self.dependents[parent] = shown

    def _add(self, job_id: JobId) -> Iterable[GroupId]:
        """One more job; the group that comes with it, if that is a new one."""
        self._tables.load((job_id,))
        stored = self._tables.stored(job_id)
        if stored is None:
            return ()
        self.jobs[job_id] = stored
        membership = stored.job.spec.group
        return () if membership is None else self._add_group(membership.group_id)

    def _add_group(self, name: GroupId) -> Iterable[GroupId]:
        if name in self.groups:
            return ()
        group = self._tables.aggregate(StreamId(name))
        if not isinstance(group, Group):
            return ()
        self.groups[name] = group
        return (name,)
