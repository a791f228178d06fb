"""A deploy against the jobs that live: whose shape is not today's, and what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from enum import StrEnum

from attrs import define, evolve, frozen

from parcae import commands as c
from parcae.definitions import Jobs, Saga
from parcae.errors import Reason, Rejected
from parcae.phrases import MOST
from parcae.ports import Query, Store
from parcae.shape import Shape
from parcae.shapes import Difference, Handlers, differs, lacks, migrated, shape_of
from parcae.state import Job
from parcae.strays import Deploy, Stray
from parcae.values import MAX_NOTE, TERMINAL, JobId, Status, cut
from parcae.worker_engine import WorkerEngine

PAGE = 1_000
SEEN = 100_000
"""So many living jobs are looked at, of each status the newest first: a start has to end. A worker
looks at every job again before it runs it."""

LIVING = tuple(status for status in Status if status not in TERMINAL)


class Fate(StrEnum):
    """What became of a job that was to be quarantined, or to be migrated."""

    QUARANTINED = "quarantined"
    MIGRATED = "migrated"
    UNFIT = "cannot be migrated"
    WAITS = "waits for others"
    HELD = "held by a worker"
    ENDED = "ended meanwhile"


@frozen(kw_only=True)
class Aside:
    """One job that was to be quarantined or migrated, what became of it, and why.

    Attributes:
        job_id: which one.
        kind: of which kind.
        before: its status before.
        fate: what became of it; in a preview, what would.
        why: how it differs, its phases from now on, or why they cannot be; in words.
    """

    job_id: JobId
    kind: str
    before: Status
    fate: Fate
    why: str


@define
class _Count:
    """What is known so far of the living jobs of one shape."""

    differences: tuple[Difference, ...]
    jobs: int = 0
    held: int = 0
    examples: tuple[JobId, ...] = ()
    command: c.Migrate | None = None
    lacks: tuple[str, ...] = ()
    migrate: int = 0
    unfit: tuple[str, ...] = ()

    def add(self, job: Job, handlers: Handlers) -> None:
        after = migrated(job, self.command)
        if isinstance(after, str):
            self.unfit = tuple(dict.fromkeys((*self.unfit, after)))[:MOST]
        self.migrate += isinstance(after, Job)
        missing = lacks(after if isinstance(after, Job) else job, handlers)
        self.jobs += 1
        self.held += job.lease is not None
        if len(self.examples) < MOST:
            self.examples = (*self.examples, job.id)
        if missing:
            self.lacks = tuple(dict.fromkeys((*self.lacks, *missing)))


class DeployEngine:
    """Compares what lives in a store with what an application's code defines.

    Args:
        store: where the jobs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._engine = WorkerEngine(store)

    async def look(
        self,
        jobs: Jobs,
        kinds: Iterable[str] | None = None,
        queues: frozenset[str] | None = None,
    ) -> Deploy:
        """Whose shape is not today's. Nothing is changed; payloads are not read.

        Args:
            jobs: the definitions.
            kinds: of these kinds; ``None``: of all that are defined.
            queues: in these queues; ``None``: in all.

        Raises:
            ValueError: a function that is to migrate some of them is broken; says which and how.
        """
        sagas = {kind: jobs[kind] for kind in (jobs.kinds if kinds is None else kinds)}
        shapes = {kind: saga.shape for kind, saga in sagas.items()}
        handlers = {kind: saga.handlers for kind, saga in sagas.items()}
        found: dict[tuple[str, Shape, bool], _Count] = {}
        async for job in self._living(sagas, queues):
            kind, shape = job.spec.kind, shape_of(job.spec)
            different = differs(job, shapes[kind])
            known = (kind, shape, bool(different))
            if known not in found:
                command = sagas[kind].migration(shape)
                found[known] = _Count(differences=different, command=command)
            found[known].add(job, handlers[kind])
        seen = sum(one.jobs for one in found.values())
        strays = (
            _stray(sagas[kind], shape, one)
            for (kind, shape, _), one in found.items()
            if one.differences or one.lacks
        )
        ordered = tuple(sorted(strays, key=lambda one: (one.kind, one.version)))
        return Deploy(looked_at=seen, complete=seen < SEEN, strays=ordered)

    async def quarantine(
        self,
        jobs: Jobs,
        kinds: Iterable[str],
        *,
        queues: frozenset[str] | None = None,
        by: str = "",
        dry_run: bool = False,
    ) -> AsyncIterator[Aside]:
        """Put before a person every living job of these kinds whose shape is not today's.

        What a worker holds is left to it, and what waits for others until its turn has come. A job
        that takes up another was asked for by somebody, and is left alone.

        Args:
            jobs: the definitions.
            kinds: which of them.
            queues: in these queues; ``None``: in all.
            by: who asks.
            dry_run: change nothing, and say what would be.
        """
        sagas = {kind: jobs[kind] for kind in kinds}
        async for job in self._living(sagas, queues):
            kind = job.spec.kind
            why = changed(sagas[kind], job)
            if why and job.spec.origin is None:
                fate = _ahead(job) if dry_run else await self.put_aside(job.id, why, by)
                yield Aside(job_id=job.id, kind=kind, before=job.status, fate=fate, why=why)

    async def migrate(
        self,
        jobs: Jobs,
        kinds: Iterable[str],
        *,
        queues: frozenset[str] | None = None,
        by: str = "",
        dry_run: bool = False,
    ) -> AsyncIterator[Aside]:
        """Give every living job for whose version there is a function the shape of today.

        Each in a commit of its own; what a worker holds is left to it, and migrated when one is
        given it next.

        Args:
            jobs: the definitions.
            kinds: which of them.
            queues: in these queues; ``None``: in all.
            by: who asks.
            dry_run: change nothing, and say what would be.

        Raises:
            ValueError: a function is broken; says which and how.
        """
        sagas = {kind: jobs[kind] for kind in kinds if jobs[kind].migrations}
        async for job in self._living(sagas, queues):
            saga, shape = sagas[job.spec.kind], shape_of(job.spec)
            command = saga.migration(shape, by)
            if command is None:
                continue
            fate, why = _told_ahead(job, command)
            if fate is Fate.MIGRATED and not dry_run:
                fate, why = await self.migrate_one(saga, job, by)
            kind, before = job.spec.kind, job.status
            yield Aside(job_id=job.id, kind=kind, before=before, fate=fate, why=why)

    async def migrate_one(self, saga: Saga[...], job: Job, by: str = "") -> tuple[Fate, str]:
        """Give one job the shape of today, unless somebody holds it or something would be lost.

        Returns:
            What became of it, and its phases or why it was refused, in words.
        """
        command = saga.migration(shape_of(job.spec), by)
        assert command is not None
        try:
            await self._engine.command(job.id, command)
        except Rejected as refused:
            if refused.reason is Reason.NOT_FOUND or refused.status in TERMINAL:
                return Fate.ENDED, str(refused)
            unfit = refused.reason is Reason.NOT_MIGRATABLE
            return Fate.UNFIT if unfit else Fate.HELD, str(refused)
        stored = await self.store.fetch(job.id)
        if stored is None or stored.job.status in TERMINAL:
            return Fate.ENDED, "it has ended"
        return Fate.MIGRATED, _described(stored.job)

    async def put_aside(self, job_id: JobId, why: str, by: str = "") -> Fate:
        """Quarantine one job, unless somebody holds it, it waits for others or has ended."""
        command = c.Quarantine(by=by, reason=why)
        try:
            await self._engine.command(job_id, command)
        except Rejected as refused:
            if refused.reason is Reason.NOT_FOUND or refused.status in TERMINAL:
                return Fate.ENDED
            return Fate.WAITS if refused.status is Status.PENDING else Fate.HELD
        stored = await self.store.fetch(job_id)
        gone = stored is None or stored.job.status is not Status.QUARANTINED
        return Fate.ENDED if gone else Fate.QUARANTINED

    async def _living(
        self, kinds: Iterable[str], queues: frozenset[str] | None
    ) -> AsyncIterator[Job]:
        """At most ``SEEN`` of them.

        Status by status, for an index has those in order; to sort all of them for each page would
        take the square. One that changes its status meanwhile may be missed, or be seen twice.
        """
        wanted, seen = frozenset(kinds), 0
        if not wanted or (queues is not None and not queues):
            return
        for status in LIVING:
            query = Query(
                kinds=wanted,
                statuses=frozenset({status}),
                queues=queues or frozenset(),
                limit=PAGE,
            )
            while seen < SEEN:
                page = await self.store.find(query)
                for stored in page.jobs:
                    yield stored.job
                seen += len(page.jobs)
                if not page.cursor:
                    break
                query = evolve(query, cursor=page.cursor)


def changed(saga: Saga[...], job: Job) -> str:
    """How the shape of ``job`` differs from today's, in words; empty: it does not."""
    found = differs(job, saga.shape)
    if not found:
        return ""
    was, now = job.spec.definition, saga.options.version
    versions = f"admitted with version {was}, now there is {now}: "
    return cut(versions + "; ".join(map(str, found)), MAX_NOTE)


def _told_ahead(job: Job, command: c.Migrate) -> tuple[Fate, str]:
    after = migrated(job, command)
    if not isinstance(after, Job):
        return Fate.UNFIT, after or ""
    held = job.lease is not None
    return Fate.HELD if held else Fate.MIGRATED, _described(after)


def _described(job: Job) -> str:
    names = ", ".join(
        f"{one.name} (was {one.known_as})" if one.known_as else one.name for one in job.spec.phases
    )
    return f"of version {job.spec.definition}: {names}"


def _ahead(job: Job) -> Fate:
    if job.lease is not None:
        return Fate.HELD
    return Fate.WAITS if job.status is Status.PENDING else Fate.QUARANTINED


def _stray(saga: Saga[...], shape: Shape, counted: _Count) -> Stray:
    return Stray(
        kind=saga.name,
        version=shape.version,
        now=saga.options.version,
        choice=saga.options.changed,
        differences=counted.differences,
        lacks=counted.lacks,
        jobs=counted.jobs,
        held=counted.held,
        migrate=counted.migrate,
        unfit=counted.unfit,
        examples=counted.examples,
    )
