"""The use cases of archives: write what is in a store, and restore it in another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

from attrs import evolve, frozen

from parcae import handle as rules
from parcae.admit import carry_key, named, unique_key
from parcae.archive import (
    KEPT,
    History,
    Line,
    awaits,
    blobs_of,
    footer,
    header,
    read,
    refolded,
    require_header,
    restore,
    wake,
    written,
)
from parcae.change import AnyEvent, Change, Key, KeyRow, Revision, View, stream_of
from parcae.errors import Corrupt, Reason, Rejected
from parcae.evolve import fold
from parcae.groups import Group
from parcae.holds import hold_key
from parcae.ports import Named, Query, Store
from parcae.state import Job, Liveness
from parcae.values import GroupId, JobId, Position, StreamId

PAGE = 500

Lines = Callable[[], Iterable[Line]]
"""Begins to read a file, anew each time."""


@frozen(kw_only=True)
class Plan:
    """What is in a file, once all of it was refolded.

    Attributes:
        streams: whose histories, in the order of the file.
        awaited: the jobs and groups that some job of the file waits for.
        present: those that an interrupted restoration has stored already.
    """

    streams: tuple[StreamId, ...]
    awaited: frozenset[str]
    present: frozenset[StreamId] = frozenset()


class ArchiveEngine:
    """Writes and restores histories.

    Args:
        store: where the jobs are, or are to be.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def export(self, query: Query | None = None) -> AsyncIterator[Line]:
        """The lines of a file: everything, or the jobs of a query and the group it names.

        All of one moment: what happens meanwhile is left out.
        """
        head = (await self.store.transact(Named(), lambda _: ())).position
        yield header(self.store.clock.now(), head)
        count = 0
        for stream in (*await self._aggregates(query), *await self._jobs(query or Query())):
            found = await self._history(stream, head)
            if found is not None:
                count += 1
                yield written(found)
        yield footer(count)

    async def _aggregates(self, query: Query | None) -> Sequence[StreamId]:
        """Settings come first, so that what is restored after them heeds them."""
        if query is not None:
            return () if query.group is None else (StreamId(query.group),)
        found: list[StreamId] = []
        while some := await self.store.aggregates(found[-1] if found else "", PAGE):
            found += map(stream_of, some)
        return [one for one in found if one.startswith(KEPT)]

    async def _jobs(self, query: Query) -> Sequence[StreamId]:
        """The oldest first."""
        found: list[StreamId] = []
        query = evolve(query, limit=1_000)
        while True:
            page = await self.store.find(query)
            found += (StreamId(one.job.id) for one in page.jobs)
            if not page.cursor:
                return found[::-1]
            query = evolve(query, cursor=page.cursor)

    async def _history(self, stream: StreamId, head: Position) -> History | None:
        """A history up to ``head``; ``None``: there was none then, or it is gone by now."""
        if "/" in stream:
            record = await self.store.record(stream)
            settings = tuple(one.event for one in record if one.position <= head)
            return History(stream=stream, events=settings) if settings else None
        name = JobId(stream)
        history = await self.store.history(name)
        events = tuple(one.event for one in history if one.position <= head)
        job = fold(name, events) if history and history[0].version == 1 and events else None
        if job is None:
            return None
        blobs = await self.store.blobs(name, [ref.name for ref in blobs_of(events)])
        keys, alive = await self._beside(job)
        return History(stream=stream, events=events, blobs=blobs, keys=keys, liveness=alive)

    async def _beside(self, job: Job) -> tuple[tuple[KeyRow, ...], Liveness | None]:
        """The keys that are about a job, and the liveness of its lease."""
        wanted = [carry_key(job.id), hold_key(job.id)]
        if job.spec.unique is not None:
            wanted.append(unique_key(named(job.spec).name))
        found: dict[Key, KeyRow] = {}

        def look(view: View) -> Sequence[Change]:
            found.clear()
            found.update((key, row) for key, row in view.keys.items() if key in wanted)
            return ()

        await self.store.transact(Named(keys=tuple(wanted)), look)
        ours = (row for key, row in found.items() if key.scope != "unique" or row.job_id == job.id)
        return tuple(ours), await self._liveness(job)

    async def _liveness(self, job: Job) -> Liveness | None:
        if job.lease is None:
            return None
        stored = await self.store.fetch(job.id)
        alive = stored.liveness if stored else None
        if alive is not None and alive.token == job.lease.token:
            return alive
        # The lease was let go since: as far as the file goes, it was never renewed.
        lease = job.lease
        return Liveness(token=lease.token, expires_at=lease.expires_at, renewed_at=lease.since)

    async def check(self, lines: Lines, *, resume: bool = False) -> Plan:
        """Refold all of a file, and see whether it can be restored here; nothing is written.

        Args:
            lines: of the file.
            resume: pass over what was restored from this file before, and may have gone on since.

        Raises:
            Corrupt: a line is damaged, a history does not fold, or the end is missing.
            Rejected: something of it is there already, or what it waits for is nowhere.
        """
        streams: dict[StreamId, bool] = {}
        awaited: dict[str, StreamId] = {}
        for one in histories(lines()):
            found = refolded(one)
            if one.stream in streams:
                raise Corrupt(f"{one.stream} is in the file twice")
            there = await self._events(one.stream)
            known = tuple(event for event, _ in zip(there, one.events, strict=False))
            if there and not (resume and known == one.events):
                message = f"{one.stream} is there already: what is there is never overwritten"
                raise Rejected(Reason.DUPLICATE_ID, message, command="import")
            streams[one.stream] = bool(there)
            awaited |= dict.fromkeys(awaits(found), one.stream)
        for parent, child in awaited.items():
            if StreamId(parent) not in streams and not await self._events(StreamId(parent)):
                message = f"{child} needs {parent}, which is neither in the file nor here"
                raise Rejected(Reason.UNKNOWN_DEPENDENCY, message, command="import")
        present = frozenset(stream for stream, there in streams.items() if there)
        return Plan(streams=tuple(streams), awaited=frozenset(awaited), present=present)

    async def _events(self, stream: StreamId) -> tuple[AnyEvent, ...]:
        """What is there of a stream; of a deleted job too something is left."""
        if "/" in stream:
            return tuple(one.event for one in await self.store.record(stream))
        return tuple(one.event for one in await self.store.history(JobId(stream)))

    async def restore(self, lines: Lines, plan: Plan) -> int:
        """Store what was checked, each history whole or not at all; how many were.

        Raises:
            Rejected: something of it has come to be there meanwhile.
        """
        count = 0
        for one in histories(lines()):
            if one.stream not in plan.present:
                await self._restore(one, plan)
                count += 1
        for stream in plan.streams:
            if stream.startswith("group/"):
                await self._wake(GroupId(stream))
        # Whoever ended while the rest was restored has found nobody who waits.
        for parent in sorted(plan.awaited):
            if not parent.startswith("group/"):
                await self.store.transact(Named(ids=(JobId(parent),)), rules.reconcile)
        return count

    async def _restore(self, one: History, plan: Plan) -> None:
        found = refolded(one)
        selection = Named()
        if isinstance(found, Job):
            keys = tuple(row.key for row in one.keys)
            queues = (found.spec.lane.queue,)
            selection = Named(ids=(found.id,), keys=keys, queues=queues)

        def rule(view: View) -> Sequence[Change | Revision]:
            return restore(view, one, found, awaited=one.stream in plan.awaited)

        await self.store.transact(selection, rule)

    async def _wake(self, group_id: GroupId) -> None:
        found = await self.store.aggregate(StreamId(group_id))
        if isinstance(found, Group) and found.status is None:
            await self.store.transact(Named(groups=(group_id,)), lambda view: wake(view, group_id))


def histories(lines: Iterable[Line]) -> Iterator[History]:
    """The histories of a file, one by one.

    Raises:
        Corrupt: a line is damaged, or the end is missing.
        Rejected: it is no such file, or of a later version.
    """
    remaining = iter(lines)
    require_header(next(remaining, {}))
    count = 0
    for line in remaining:
        if "end" in line:
            if line != footer(count):
                raise Corrupt(f"the file says it has {line.get('histories')} histories: {count}")
            if next(remaining, None) is not None:
                raise Corrupt("the file goes on after its end")
            return
        count += 1
        yield read(line)
    raise Corrupt(f"the file ends after {count} histories without saying so: it was cut off")
