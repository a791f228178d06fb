"""A store in one SQLite file, for the processes of one machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence

from parcae.change import Aggregate, AggregateEvent, AnyEvent, View
from parcae.deliveries import Standing as Stage
from parcae.events import Event
from parcae.ports import (
    Clock,
    Committed,
    DeliveryPage,
    DeliveryQuery,
    Entropy,
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
from parcae_adapters.clock import SystemClock
from parcae_adapters.sqlite import register
from parcae_adapters.sqlite.audit import faults
from parcae_adapters.sqlite.connect import Connect, Durability, File, connect, located
from parcae_adapters.sqlite.errors import Unusable
from parcae_adapters.sqlite.looking import look
from parcae_adapters.sqlite.reader import Reader
from parcae_adapters.sqlite.survey import standing, survey
from parcae_adapters.sqlite.writer import Writer
from parcae_adapters.wakeups import Wakeups


def _chance() -> int:
    return int.from_bytes(os.urandom(16), "big")


class SqliteStore:
    """A :class:`parcae.ports.Store` in one file, which any number of processes may open.

    One thread writes, and gathers what comes at once into one commit; another one reads. Whoever
    awaits an answer may do so in any event loop, in any thread.

    Durability: ``full`` (by default): what was answered survives a power loss. ``normal``: it
    survives the death of the process at any point, but a power loss may take back the last of it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        entropy: Entropy = _chance,
        durability: Durability = "full",
        busy_timeout: float = 10.0,
        create: bool = True,
        connect: Connect = connect,
    ) -> None:
        """Open the file at ``path``, or make it. Blocks while it does.

        Args:
            path: a file on a disk of this machine.
            clock: what ``now`` is read from; by default the system's.
            entropy: where chance comes from: 128 bits a call.
            durability: ``full`` or ``normal``.
            busy_timeout: seconds to wait for other processes that write.
            create: make the file, and the tables in it, where they are missing.
            connect: makes the connections, where plain ones will not do.

        Raises:
            Unusable: the file can be no store: not a database, written by a newer version,
                read-only, in a folder that is not there, or on a network file system; or it is
                none yet, and may not be made one.
            Unavailable: it stays locked.
            Corrupt: it is damaged.
            ValueError: an argument is not lawful.
        """
        if durability not in ("full", "normal"):
            raise ValueError(f"expected durability 'full' or 'normal', got {durability!r}")
        self._pid = os.getpid()
        self._clock: Clock = SystemClock() if clock is None else clock
        self._entropy = entropy
        self._bus = Wakeups(self._clock)
        self._path = located(path)
        file = File(
            path=self._path, durability=durability, busy_timeout=busy_timeout, connect=connect
        )
        if not create:
            file.require_tables()
        self._writer = Writer(file, self._clock, entropy, self._bus.notify)
        try:
            self._reader = Reader(file)
        except BaseException:
            self._writer.stop()
            raise

    @property
    def clock(self) -> Clock:
        """The clock that ``now`` is read from."""
        return self._clock

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._path

    def mark(self) -> int:
        """How many commits were noticed so far."""
        return self._bus.mark()

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark``, or at ``until`` by the clock.

        A commit of another process is noticed within a few hundredths of a second.
        """
        self._require_same_process()
        return await self._bus.wait(mark, until, job_id)

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Load, decide by ``rule``, store, in one atomic step.

        Raises:
            Conflict: a change was made for another version than the stored one.
            Rejected: a change would touch the outcome of an ended job.
            Unavailable: locked, full, a failing disk, or closed; repeating is safe.
            Corrupt: a row cannot be read.
        """
        self._require_same_process()
        return await self._writer.put(selection, rule)

    async def fetch(self, job_id: JobId) -> Stored | None:
        """One job; ``None``: there is none."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.fetch(job_id))

    async def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.find(query))

    async def count(self, query: Query) -> Mapping[Status, int]:
        """How many jobs a query names, by status; no entry for a status without any."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.count(query))

    async def history(
        self, job_id: JobId, after: Version = Version(0)
    ) -> Sequence[Recorded[Event]]:
        """The events of one job, in order; of a deleted one its ``Deleted`` alone."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.history(job_id, after))

    async def record(self, stream: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """The events of one queue, group or schedule, in order."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.history(stream, Version(0)))

    async def aggregate(self, stream: StreamId) -> Aggregate | None:
        """One queue, group or schedule; ``None``: there is none."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.aggregate(stream))

    async def aggregates(self, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Queues, groups and schedules, by the names of their streams, from past ``after`` on."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.aggregates(after, limit))

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        """The events of all jobs, queues, groups and schedules, in order."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.log(after, limit))

    async def extent(self) -> Extent:
        """How far the log reaches, and from where on it is whole."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.extent())

    async def blobs(self, job_id: JobId, names: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of those of the named blobs that exist."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.blobs(job_id, names))

    async def next_due(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant, later than ``after``, at which anything is offered or falls due."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.next_due(after))

    async def survey(self, scope: Scope) -> Survey:
        """What is in the queues, all of one instant."""
        self._require_same_process()
        return await self._reader.put(lambda queries: survey(queries, self._clock, scope))

    async def standing(self, job_id: JobId) -> Standing | None:
        """Where a job stands in line; ``None``: there is none."""
        self._require_same_process()
        return await self._reader.put(lambda queries: standing(queries, self._clock, job_id))

    async def look(self, selection: Named | Overdue) -> View:
        """What a rule would be shown now; nothing comes of it, and no lock keeps it waiting."""
        self._require_same_process()
        clock, entropy = self._clock, self._entropy
        return await self._reader.put(lambda queries: look(queries, clock, entropy, selection))

    async def ended(
        self, status: Status, until: Instant, *, cursor: str = "", limit: int = 100
    ) -> Page:
        """A page of jobs that ended so, at ``until`` or earlier, the first to end first."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.ended(status, until, cursor, limit))

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that are over; how many were deleted."""
        self._require_same_process()
        return await self._writer.do(
            lambda session: session.beside(
                lambda connection: register.expire(connection, scopes, before, limit)
            )
        )

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there."""
        self._require_same_process()
        await self._writer.do(
            lambda session: session.beside(lambda connection: register.enlist(connection, presence))
        )

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out of the register."""
        self._require_same_process()
        await self._writer.do(
            lambda session: session.beside(lambda connection: register.dismiss(connection, worker))
        )

    async def workers(self) -> Sequence[Presence]:
        """Everybody in the register, by name."""
        self._require_same_process()
        return await self._reader.put(lambda queries: register.workers(queries.connection))

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries, newest first."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.deliveries(query))

    async def tally(self) -> Mapping[tuple[str, Stage], int]:
        """How many deliveries are in which of their states, by subscription."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.tally())

    async def next_delivery(self, after: Instant | None = None) -> Instant | None:
        """The earliest instant, later than ``after``, at which some delivery is due."""
        self._require_same_process()
        return await self._reader.put(lambda queries: queries.next_delivery(after))

    async def audit(self) -> Sequence[str]:
        """What is wrong with the file: SQLite's own check, columns, orphans, counters."""
        self._require_same_process()
        return await self._reader.put(faults)

    async def close(self) -> None:
        """Finish what is under way and let go; a second call does nothing."""
        self._require_same_process()
        self._stop()
        await asyncio.to_thread(self._join)
        self._bus.close()

    def _stop(self) -> None:
        self._writer.stop()
        self._reader.stop()

    def _join(self) -> None:
        self._writer.join()
        self._reader.join()

    def _require_same_process(self) -> None:
        if os.getpid() != self._pid:
            raise Unusable(
                f"{self._path}: this store was opened by process {self._pid}, of which this one is "
                "a fork; open a new one after the fork"
            )

    def __del__(self) -> None:
        # Threads of its own keep only what they need of it: whoever forgets to close it leaves
        # neither them nor the file open. In a fork they are not there.
        if hasattr(self, "_reader") and os.getpid() == self._pid:
            self._stop()
