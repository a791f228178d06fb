"""A simulated process: the strands of its threads, which die, pause and go on together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from parcae.values import Instant
from parcae_adapters.clock import EPOCH, SystemClock
from parcae_adapters.wakeups import call_into, wake
from parcae_adapters.worker import calls, worker
from parcae_adapters.worker.keeper import Keeper
from parcae_specs.simulation.strands import Scheduler, Strand

T = TypeVar("T")

CLEANUP = 1.0
"""Seconds that handlers have to stop in after a drain, shorter than for real ones."""


class StoreClock(SystemClock):
    """The one clock that leases live by. It can be set, forth and back."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.offset = 0.0
        self.latest = EPOCH
        self._scheduler = scheduler

    def now(self) -> Instant:
        """Virtual time, and how far the clock was set."""
        now = EPOCH + timedelta(seconds=self._scheduler.now + self.offset)
        self.latest = max(self.latest, now)
        return now


class ProcessClock(SystemClock):
    """What one process takes for the time of the store."""

    def __init__(self, store: StoreClock) -> None:
        self.skew = timedelta(0)
        self._store = store

    def now(self) -> Instant:
        """The store's time, seen through this process's skew."""
        return self._store.now() + self.skew


class Process:
    """A main loop, a keeper's loop, and one for handlers in threads."""

    def __init__(self, scheduler: Scheduler, name: str, store_clock: StoreClock) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.disturbed = False
        self.clock = ProcessClock(store_clock)
        self.main = scheduler.strand(self)
        self.keeper = scheduler.strand(self)
        self.threads = scheduler.strand(self)
        self._scheduler = scheduler

    @property
    def strands(self) -> tuple[Strand, ...]:
        """All its threads."""
        return self.main, self.keeper, self.threads

    def crash(self) -> None:
        """Die: nothing is cleaned up, nobody is told."""
        if self.alive:
            self.alive = False
            for strand in self.strands:
                self._scheduler.kill(strand)

    def pause(self) -> None:
        """Stand still, as after SIGSTOP."""
        self.paused = self.disturbed = True
        for strand in self.strands:
            strand.held = True

    def block(self) -> None:
        """A handler keeps the event loop from running; the other threads go on."""
        self.main.held = self.disturbed = True

    def unblock(self) -> None:
        """The event loop runs again, unless the whole process stands still."""
        self.main.held = self.paused

    def go_on(self) -> None:
        """Be awake again."""
        self.paused = False
        for strand in self.strands:
            strand.held = False


def this_process() -> Process:
    """The process whose strand runs now."""
    strand = asyncio.get_running_loop()
    assert isinstance(strand, Strand)
    assert isinstance(strand.owner, Process)
    return strand.owner


class StrandKeeper(Keeper):
    """The keeper, its thread being a strand."""

    def start(self) -> None:
        """Begin."""
        self._task = this_process().keeper.create_task(self._main())

    async def stop(self) -> None:
        """End, once what is under way is done."""
        self._stopping.set()
        await _elsewhere(self._task)


async def _elsewhere(task: asyncio.Task[Any]) -> None:
    """Wait for a task of another strand."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(_: object) -> None:
        wake([ended])

    task.add_done_callback(tell)
    await ended


def in_strand(function: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Future[Any]:
    """What is run for :func:`parcae_adapters.worker.calls.in_thread`: nothing can cancel it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    async def run() -> None:
        try:
            value = await function()
        except Exception as raised:  # noqa: BLE001 - whatever it was, it is reported
            call_into(loop, future.set_exception, raised)
        else:
            call_into(loop, future.set_result, value)

    threads = this_process().threads
    threads.call_soon(lambda: threads.create_task(run()))
    return future


@contextmanager
def without_threads() -> Iterator[None]:
    """The worker with strands where it has threads."""
    with exchanged(
        (worker, "Keeper", StrandKeeper),
        (worker, "CLEANUP", CLEANUP),
        (calls, "in_thread", in_strand),
        (asyncio, "wait_for", _waited_for),
    ):
        yield


async def _waited_for(awaitable: Awaitable[T], timeout: float) -> T:  # noqa: ASYNC109
    """As Python 3.11 does it, in a task of its own.

    Later ones have no such task, so fewer callbacks, and would play another story of every seed.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if done:
            return task.result()
    except asyncio.CancelledError:
        await _cancelled(task)
        raise
    await _cancelled(task)
    raise TimeoutError


async def _cancelled(task: asyncio.Future[Any]) -> None:
    if task.cancel():
        await asyncio.wait({task})


@contextmanager
def exchanged(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Each owner's attribute replaced by something else, inside the block only."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
