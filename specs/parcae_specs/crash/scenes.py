"""Where a call is made that crashes: two jobs in one state, in a store; and the crash itself."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from pathlib import Path

from attrs import evolve as replace
from attrs import frozen

from parcae.answers import Admitted
from parcae.change import Change, Key, KeyRow, Revision, View
from parcae.ports import Committed, Entropy, Named, Query, Rule, Selection, Store
from parcae.saga import resume
from parcae.state import Stored
from parcae.values import JobId, Position, Version, mix
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash.calls import KEY, PAYLOAD, RESULT
from parcae_specs.crash.model import Situation

State = tuple[object, ...]
"""The jobs of a store, and its log."""


class Moment(StrEnum):
    """When the client, or what stands between it and the store, dies."""

    BEFORE = "before the commit"
    AFTER = "after the commit"
    ANSWERED = "after the answer"


class Died(BaseException):
    """The process is gone: nobody handles this."""


@frozen
class Mortal:
    """A store whose transactions end at a certain moment of their own. For engines only.

    Attributes:
        store: what it stands before.
        moment: when.
    """

    store: Store
    moment: Moment

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Transact up to that moment."""

        def last(view: View) -> Sequence[Change | Revision]:
            changes = tuple(rule(view))
            if self.moment is Moment.BEFORE:
                raise Died
            return changes

        committed = await self.store.transact(selection, last)
        if self.moment is Moment.AFTER:
            raise Died
        return committed


@frozen
class Scene:
    """Where one call is made: a store with two jobs that are in the same state.

    Attributes:
        number: names the jobs.
        clock: what the store reads.
        first: the store as the client that dies has it.
        second: the store as the client after it has it.
    """

    number: int
    clock: ManualClock
    first: Store
    second: Store

    @property
    def jobs(self) -> Sequence[JobId]:
        """Its jobs."""
        return [JobId(f"019b76da-a800-7000-8000-{self.number:011x}{one}") for one in range(2)]

    async def set(self, situation: Situation) -> None:
        """Bring both jobs into a state, all at once."""
        self.clock.set(situation.now)
        changes = [_born(situation, one, rank) for rank, one in enumerate(self.jobs)]
        await self.first.transact(Named(), lambda _: changes)

    async def state(self) -> State:
        """What it holds, as the client after the crash sees it."""
        page = await self.second.find(Query())
        return (*page.jobs, *await self.second.log(Position(0)))


def _born(situation: Situation, job_id: JobId, rank: int) -> Change:
    """A job whose whole life so far is one change."""
    stored = situation.stored
    twin = Stored(job=replace(stored.job, id=job_id), liveness=stored.liveness)
    spec = stored.job.spec
    results = [ref for event in situation.history if (ref := getattr(event, "result", None))]
    key = Key(scope="submit", key=KEY)
    body = mix(spec.kind, spec.payload.digest, spec.lane.queue, spec.lane.key)
    row = KeyRow(key=key, fingerprint=f"{body:032x}", job_id=job_id)
    return Change(
        job_id=job_id,
        before=Version(0),
        events=situation.history,
        job=twin.job,
        liveness=twin.liveness,
        blobs=((spec.payload, PAYLOAD), *((one, RESULT) for one in results)),
        keys=() if rank else (row,),
        effects=resume(twin),
        answer=Admitted(job_id=job_id),
    )


MakeScene = Callable[[int], AbstractAsyncContextManager[Scene]]


@asynccontextmanager
async def in_memory(number: int) -> AsyncIterator[Scene]:
    """A scene in a memory store of its own."""
    clock = ManualClock()
    store = MemoryStore(clock=clock, entropy=_seed(number))
    yield Scene(number, clock, store, store)


def _seed(number: int) -> Entropy:
    """Always the same, so that a job that is admitted has the same name in the second run."""
    return lambda: mix("scene", number)


class OnSqlite:
    """Scenes in one file, one after the other: who crashes and who repeats have stores apart."""

    def __init__(self, path: Path) -> None:
        self._clock = ManualClock()
        self._seed = _seed(0)
        self._first, self._second = (
            SqliteStore(path, clock=self._clock, entropy=lambda: self._seed(), durability="normal")
            for _ in range(2)
        )
        # What a scene left is removed behind the stores' backs, as if another process had.
        self._broom = sqlite3.connect(path, isolation_level=None)

    @asynccontextmanager
    async def scene(self, number: int) -> AsyncIterator[Scene]:
        """The next one."""
        self._seed = _seed(number)
        yield Scene(number, self._clock, self._first, self._second)
        tables = ("events", "jobs", "blobs", "keys")
        wipe = "; ".join(f"DELETE FROM parcae_{table}" for table in tables)
        place = "UPDATE parcae_counters SET value = 1"
        self._broom.executescript(f"BEGIN IMMEDIATE; {wipe}; {place}; COMMIT")

    async def close(self) -> None:
        """Let go of the file."""
        self._broom.close()
        await self._first.close()
        await self._second.close()
