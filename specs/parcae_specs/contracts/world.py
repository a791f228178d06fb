"""A world for the contract of the use cases: an engine to be asked, and what stands behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from parcae import answers as a
from parcae.context import Context
from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae.errors import ParcaeError, Reason
from parcae.fsck import fsck
from parcae.handlers import result_blob
from parcae.spec import Retry, Timing
from parcae.values import JobId, Token, WorkerId, seconds
from parcae_adapters.clock import ManualClock

if TYPE_CHECKING:  # whoever has no aiohttp need not have it for this
    from parcae_adapters.http.remote import RemoteEngine

PATIENCE = 20.0
"""Seconds that one test may take."""

ME, OTHER = WorkerId("me"), WorkerId("other")
LEASE = Timing(lease=seconds(30), renewal=seconds(10), attempt=seconds(600))

JOBS = Jobs()
TRIP = JOBS.saga("trip", timing=LEASE, retry=Retry(max_attempts=2, backoff=seconds(5), jitter=0))


@TRIP.phase
async def book(ctx: Context, place: str) -> dict[str, str]:
    """Never called here: the contract is about what is said of it."""
    raise NotImplementedError(ctx, place)


@book.undo
async def unbook(ctx: Context, place: str, booked: dict[str, str]) -> None:
    """Never called here."""
    raise NotImplementedError(ctx, place, booked)


@TRIP.phase
async def travel(ctx: Context, place: str) -> list[int]:
    """Never called here."""
    raise NotImplementedError(ctx, place)


KINDS = frozenset({"trip"})


@frozen
class World:
    """An engine to be asked, and what stands behind it.

    Attributes:
        engine: the one in question.
        host: on the store itself.
        clock: that of the store.
    """

    engine: Engine | RemoteEngine
    host: Engine
    clock: ManualClock

    async def submit(self, place: str = "Aulis", **options: Any) -> JobId:
        """Admit a job by the engine in question."""
        return (await self.engine.submit(TRIP(place), **options)).job_id

    async def claim(self, request: str = "1", worker: WorkerId = ME, **options: Any) -> a.Granted:
        """Claim the one job that there is."""
        (granted,) = await self.engine.claim(worker, KINDS, request=request, **options)
        return granted

    async def half(self, job_id: JobId, token: Token) -> None:
        """Do the first phase, and begin the second."""
        await self.engine.start_phase(job_id, token, "book")
        booked = result_blob("book", {"seat": "1a"})
        await self.engine.complete_phase(job_id, token, "book", booked)
        await self.engine.start_phase(job_id, token, "travel")


Body = Callable[[Any, World], Awaitable[None]]


def told(body: Body) -> Callable[[Any, Path], None]:
    """A test of a coroutine that is given a world; then the store must be whole."""

    @wraps(body)
    def test(self: Any, tmp_path: Path) -> None:
        async def play() -> None:
            async with asyncio.timeout(PATIENCE), self.opened(tmp_path) as world:
                await body(self, world)
                report = await fsck(world.host.store)
                assert report.clean, report.findings

        asyncio.run(play())

    # pytest must not look through to the parameters of the coroutine.
    del test.__wrapped__
    return test


async def refused(doing: Awaitable[object], kind: type[ParcaeError], reason: Reason) -> None:
    """It is refused with that very class, for that reason."""
    with pytest.raises(kind) as caught:
        await doing
    assert type(caught.value) is kind
    assert getattr(caught.value, "reason", None) is reason
    assert str(caught.value)
