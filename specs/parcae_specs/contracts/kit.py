"""What a contract's test works with: stores on one folder, a hand-moved clock, short words."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from inspect import isawaitable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import pytest

from parcae.change import AnyEvent
from parcae.errors import ParcaeError, Reason
from parcae.evolve import fold
from parcae.fsck import fsck
from parcae.ports import Clock, EventBus, Query, Recorded, Store
from parcae.state import Stored
from parcae.values import JobId, Position
from parcae_adapters.clock import ManualClock, SystemClock
from parcae_specs.drive import Driver
from parcae_specs.subject import Capability, Subject

P = ParamSpec("P")
T = TypeVar("T", contravariant=True)

PATIENCE = 30.0
"""Seconds that one test may take: a store that never answers fails, and hangs nobody."""


class Kit:
    """One test's stores, all in one folder unless it asks for another."""

    def __init__(self, subject: Subject, folder: Path, patience: float = PATIENCE) -> None:
        self.subject = subject
        self.patience = patience
        self.soon = patience / 3
        self.folder = folder
        self.moved = ManualClock()
        given = Capability.CLOCK in subject.capabilities
        self.clock: Clock = self.moved if given else SystemClock()
        self._chance = random.Random(1)
        self._open: list[Store] = []
        self.beside = AsyncExitStack()
        """What else the test has opened on its stores; it is closed before them."""

    def require(self, *needs: Capability) -> None:
        """Skip the test unless the store has declared these."""
        missing = sorted(set(needs) - self.subject.capabilities)
        if missing:
            pytest.skip(f"not declared: {', '.join(missing)}")

    async def open(self, folder: str = "store") -> Store:
        """A store in that folder, closed and audited at the end of the test."""
        path = self.folder / folder
        path.mkdir(exist_ok=True)
        opened = self.subject.open(path, self.clock, lambda: self._chance.getrandbits(128))
        store = await opened if isawaitable(opened) else opened
        self._open.append(store)
        return store

    async def driver(self, folder: str = "store") -> Driver:
        """The same, with short words."""
        return Driver(await self.open(folder))

    async def close(self, store: Store) -> None:
        """Close it now, audited like those that are closed at the end."""
        self._open.remove(store)
        try:
            await self._audit(store)
        finally:
            await store.close()

    def drop(self, store: Store) -> None:
        """The test will close it; it need not pass an audit."""
        self._open.remove(store)

    async def play(self, body: Awaitable[None], patience: float) -> None:
        """Await the test; then no store may have found a fault in itself."""
        try:
            async with asyncio.timeout(patience):
                await body
                await self.beside.aclose()
                for store in tuple(self._open):
                    await self.close(store)
        finally:
            with suppress(Exception):
                await self.beside.aclose()
            for store in self._open:
                with suppress(Exception):
                    await store.close()

    async def _audit(self, store: Store) -> None:
        report = await fsck(store)
        assert report.clean, f"S5: {'; '.join(report.findings)}"


class Marked(Protocol):
    """A test of the contract, as :func:`promise` leaves it."""

    __name__: str
    promised: tuple[str, ...]
    needs: frozenset[Capability]


def promise(
    *ids: str, needs: Sequence[Capability] = (), long: bool = False
) -> Callable[
    [Callable[Concatenate[T, Kit, P], Awaitable[None]]], Callable[Concatenate[T, Kit, P], None]
]:
    """Make a test of a coroutine, and write down what it holds the store to.

    Args:
        ids: guarantees, and numbered requirements of a port (``Store 5``).
        needs: what the store must have declared; else the test is skipped.
        long: it takes a while, so more patience is needed.
    """

    def wrap(
        body: Callable[Concatenate[T, Kit, P], Awaitable[None]],
    ) -> Callable[Concatenate[T, Kit, P], None]:
        @functools.wraps(body)
        def test(self: T, kit: Kit, *args: P.args, **kwargs: P.kwargs) -> None:
            kit.require(*needs)
            patience = kit.patience * (20 if long else 1)
            asyncio.run(kit.play(body(self, kit, *args, **kwargs), patience))

        marked: Any = test
        marked.promised, marked.needs = ids, frozenset(needs)
        return test  # type: ignore[return-value]

    return wrap


async def everything(store: Store) -> list[object]:
    """All that can be asked of a store with few jobs."""
    jobs = (await store.find(Query())).jobs
    names = ["payload", "result/only"]
    blobs = [await store.blobs(one.job.id, names) for one in jobs]
    return [jobs, blobs, await store.log(), await store.count(Query()), await store.next_due()]


async def raised(doing: Awaitable[object]) -> ParcaeError | None:
    """What it is told instead of an answer, if anything."""
    try:
        await doing
    except ParcaeError as error:
        return error
    return None


async def refused(store: Store, doing: Awaitable[object], reason: Reason) -> None:
    """It is refused for that reason, and everything is as it was (S18)."""
    before = await everything(store)
    error = await raised(doing)
    assert error is not None, f"S18: taken, but should have been refused: {reason}"
    assert getattr(error, "reason", None) is reason, f"expected {reason!r}, got {error!r}"
    assert await everything(store) == before, "S18: a refused command changed something"


async def quiet(bus: EventBus) -> int:
    """A mark after which nothing is committed: a store may wake once too often, not for ever."""
    for _ in range(5):
        mark = bus.mark()
        try:
            await asyncio.wait_for(bus.wait(mark), 0.05)
        except TimeoutError:
            return mark
    raise AssertionError("EventBus 2: it returns again and again though nothing is committed")


async def row(store: Store, job: JobId) -> Stored:
    """The job, which must be there, and must be what its events fold to."""
    stored = await store.fetch(job)
    assert stored is not None, f"job {job} is not there"
    history = await store.history(job)
    assert fold(job, [one.event for one in history]) == stored.job, "S5: not the fold of its events"
    return stored


async def whole_log(store: Store, step: int = 1_000) -> list[Recorded[AnyEvent]]:
    """The log, read like a follower that has come to its end."""
    seen: list[Recorded[AnyEvent]] = []
    while some := await store.log(seen[-1].position if seen else Position(0), step):
        seen += some
    return seen
