"""The store as one process reaches it: over a wire that loses, delays and repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from parcae.change import Aggregate, AggregateEvent, AnyEvent, View
from parcae.deliveries import Standing as Stage
from parcae.errors import ParcaeError, Unavailable
from parcae.events import Event
from parcae.ports import (
    Clock,
    Committed,
    DeliveryPage,
    DeliveryQuery,
    Extent,
    Named,
    Overdue,
    Page,
    Query,
    Recorded,
    Rule,
    Selection,
)
from parcae.state import Stored
from parcae.survey import Scope, Standing, Survey
from parcae.values import Instant, JobId, Position, Status, StreamId, Version, WorkerId
from parcae.workers import Presence
from parcae_adapters.memory import MemoryStore
from parcae_specs.simulation.faults import Fate, Faults
from parcae_specs.simulation.monitor import Monitor
from parcae_specs.simulation.processes import Process
from parcae_specs.simulation.strands import Strand

T = TypeVar("T")
Ask = Callable[[], Coroutine[Any, Any, Any]]


class Server:
    """The memory store behind the wire, its own thread, and the eye on what it commits."""

    def __init__(
        self, store: MemoryStore, strand: Strand, faults: Faults, monitor: Monitor
    ) -> None:
        self.store = store
        self.faults = faults
        self.monitor = monitor
        self._strand = strand

    def send(self, ask: Ask, answer: asyncio.Future[Any]) -> None:
        """Have ``ask`` executed some time, or not, and ``answer`` settled some time."""
        fate = self.faults.fate()
        if fate.arrives is not None:
            self._strand.call_later(fate.arrives, self._execute, ask, fate, answer)
        if fate.given_up is not None:
            error = Unavailable("no answer within the time")
            answer.get_loop().call_later(fate.given_up, _settle, answer, None, error)

    def _execute(self, ask: Ask, fate: Fate, answer: asyncio.Future[Any]) -> None:
        value, error = self._result(ask)
        if fate.answered is not None:
            answer.get_loop().call_later(fate.answered, _settle, answer, value, error)
        if fate.again is not None:
            self._strand.call_later(fate.again, self._result, ask)

    def _result(self, ask: Ask) -> tuple[Any, ParcaeError | None]:
        try:
            return at_once(ask()), None
        except ParcaeError as error:
            self.monitor.refused(error)
            return None, error


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the memory store, which never waits for anybody, to its end."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            value: T = stop.value
            return value


def _settle(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


class Wire:
    """A :class:`parcae.ports.Store` for one process."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server = server
        self._store = server.store
        self._process = process

    @property
    def clock(self) -> Clock:
        """This process's clock; transactions read the store's."""
        return self._process.clock

    async def _ask(self, ask: Ask) -> Any:
        if not self._process.alive:
            raise Unavailable("the process is dead")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._server.send(ask, answer)
        return await answer

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Load, decide by ``rule``, store."""

        async def ask() -> Committed:
            committed = await self._store.transact(selection, rule)
            self._server.monitor.committed(self._process, committed)
            return committed

        committed: Committed = await self._ask(ask)
        return committed

    async def fetch(self, job_id: JobId) -> Stored | None:
        """One job."""
        found: Stored | None = await self._ask(lambda: self._store.fetch(job_id))
        return found

    async def find(self, query: Query) -> Page:
        """A page of jobs."""
        page: Page = await self._ask(lambda: self._store.find(query))
        return page

    async def count(self, query: Query) -> Mapping[Status, int]:
        """How many jobs there are, by status."""
        counted: Mapping[Status, int] = await self._ask(lambda: self._store.count(query))
        return counted

    async def history(
        self, job_id: JobId, after: Version = Version(0)
    ) -> Sequence[Recorded[Event]]:
        """The events of one job."""
        events: Sequence[Recorded[Event]] = await self._ask(
            lambda: self._store.history(job_id, after)
        )
        return events

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """The events of all jobs."""
        events: Sequence[Recorded[AnyEvent]] = await self._ask(
            lambda: self._store.log(after, limit)
        )
        return events

    async def record(self, stream: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """The events of one queue, group or schedule."""
        events: Sequence[Recorded[AggregateEvent]] = await self._ask(
            lambda: self._store.record(stream)
        )
        return events

    async def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule."""
        found: Aggregate | None = await self._ask(lambda: self._store.aggregate(stream))
        return found

    async def aggregates(self, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Queues, groups and schedules."""
        some: Sequence[Aggregate] = await self._ask(lambda: self._store.aggregates(after, limit))
        return some

    async def survey(self, scope: Scope) -> Survey:
        """What is in the queues."""
        survey: Survey = await self._ask(lambda: self._store.survey(scope))
        return survey

    async def standing(self, job_id: JobId) -> Standing | None:
        """Where a job stands in line."""
        standing: Standing | None = await self._ask(lambda: self._store.standing(job_id))
        return standing

    async def extent(self) -> Extent:
        """How far the log reaches."""
        extent: Extent = await self._ask(self._store.extent)
        return extent

    async def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of those of the named blobs that exist."""
        found: Mapping[str, bytes] = await self._ask(lambda: self._store.blobs(job_id, names))
        return found

    async def next_due(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant at which some job is offered or falls due."""
        due: Instant | None = await self._ask(lambda: self._store.next_due(after))
        return due

    async def look(self, selection: Named | Overdue) -> View:
        """What a rule would be shown."""
        view: View = await self._ask(lambda: self._store.look(selection))
        return view

    async def ended(
        self, status: Status, until: Instant, *, cursor: str = "", limit: int = 100
    ) -> Page:
        """A page of jobs that ended so."""
        page: Page = await self._ask(
            lambda: self._store.ended(status, until, cursor=cursor, limit=limit)
        )
        return page

    # The register and the keys that are over decide nothing: they know no faults, and so take
    # none of the chances that each seed gives to what decides.

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Delete keys that are over."""
        return await self._store.expire(scopes, before, limit)

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there."""
        await self._store.enlist(presence)

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out of the register."""
        await self._store.dismiss(worker)

    async def workers(self) -> Sequence[Presence]:
        """Everybody in the register."""
        return await self._store.workers()

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries."""
        page: DeliveryPage = await self._ask(lambda: self._store.deliveries(query))
        return page

    async def tally(self) -> Mapping[tuple[str, Stage], int]:
        """How many deliveries are in which state."""
        found: Mapping[tuple[str, Stage], int] = await self._ask(self._store.tally)
        return found

    async def next_delivery(self, after: Instant | None = None) -> Instant | None:
        """When some delivery is due."""
        at: Instant | None = await self._ask(lambda: self._store.next_delivery(after))
        return at

    async def audit(self) -> Sequence[str]:
        """What is wrong with the store itself."""
        faults: Sequence[str] = await self._ask(self._store.audit)
        return faults

    async def close(self) -> None:
        """Nothing: the store outlives its processes."""

    def mark(self) -> int:
        """How many commits there were so far."""
        return self._store.mark()

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return some time after a commit, or after ``until``."""
        noticed = await self._store.wait(mark, until, job_id)
        oversleeps = self._server.faults.oversleeps()
        if oversleeps:
            await asyncio.sleep(oversleeps)
        return noticed
