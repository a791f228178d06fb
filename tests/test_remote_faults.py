"""Workers elsewhere, behind a wire that loses what is asked and what is answered."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from faulty_proxy import FAULTS, Fate, between
from http_server import TOKENS, access, served

from parcae import Context, Engine, JobId, Jobs, Retry, Status, Timing, fsck, seconds
from parcae import events as e
from parcae.errors import Unavailable
from parcae.handlers import result_blob
from parcae.values import Error, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.app import make_app
from parcae_adapters.http.remote import RemoteEngine
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

T = TypeVar("T")

JOBS = Jobs()
TRIP = JOBS.saga("trip", retry=Retry(max_attempts=2, backoff=seconds(0), jitter=0))
CALLS: Counter[str] = Counter()
ME = WorkerId("me")


@TRIP.phase
async def book(ctx: Context, place: str) -> str:
    CALLS[f"book {ctx.job_id}"] += 1
    return f"a seat to {place}"


@book.undo
async def unbook(ctx: Context, place: str, seat: str) -> None:
    CALLS[f"unbook {ctx.job_id} {place} {seat}"] += 1


@TRIP.phase
async def travel(ctx: Context, place: str) -> list[str]:
    CALLS[f"travel {ctx.job_id}"] += 1
    return [place, ctx.result(book)]


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """As a worker does: every call may be repeated until it is answered."""
    while True:
        try:
            return await ask()
        except Unavailable:
            continue


async def undone(engine: RemoteEngine, request: str) -> JobId:
    """A whole life over the wire: done in part, failed for good, and undone."""
    submitted = await insist(lambda: engine.submit(TRIP("Troy"), idempotency_key=request))
    job_id = submitted.job_id
    (held,) = await insist(lambda: engine.claim(ME, JOBS.kinds, request=request))
    token = held.lease.token
    await insist(lambda: engine.handed(held))
    await insist(lambda: engine.start_phase(job_id, token, "book"))
    seat = result_blob("book", "a seat")
    await insist(lambda: engine.complete_phase(job_id, token, "book", seat))
    await insist(lambda: engine.start_phase(job_id, token, "travel"))
    wreck = Error(type="Wreck", permanent=True)
    await insist(lambda: engine.fail(job_id, token, wreck))
    (again,) = await insist(lambda: engine.claim(ME, JOBS.kinds, request=f"{request} undo"))
    undo = again.lease.token
    await insist(lambda: engine.start_undo(job_id, undo, "book"))
    await insist(lambda: engine.complete_undo(job_id, undo, "book"))
    return job_id


POINTS = 10
"""Questions in such a life."""


def test_given_any_lost_question_or_answer_when_it_is_repeated_then_history_is_as_if_nothing_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S17, S25: at every point of a job's life, and in every way."""
    monkeypatch.setattr("parcae_adapters.http.wire.FIRST_PAUSE", 0.001)

    async def scenario() -> None:
        host = Engine(MemoryStore(clock=ManualClock()))
        async with (
            served(make_app(host, access=access())) as url,
            between(url) as proxy,
            RemoteEngine(proxy.url, TOKENS[Scope.ADMIN]) as engine,
        ):
            expected = await happened(host, await undone(engine, "undisturbed"))
            for fate in FAULTS:
                for point in range(POINTS):
                    count = iter(range(1_000))
                    proxy.fate = _at(point, fate, count)
                    job_id = await undone(engine, f"{point} {fate}")
                    assert next(count) > point, "the life has fewer questions than this test says"
                    assert await happened(host, job_id) == expected, (point, fate)
        assert (await fsck(host.store)).clean

    asyncio.run(scenario())


def _at(point: int, fate: Fate, count: Any) -> Callable[[bytes], Fate]:
    return lambda _: fate if next(count) == point else Fate.PASS


async def happened(host: Engine, job_id: JobId) -> list[object]:
    """The history without what differs from job to job."""
    found = [one.event for one in await host.history(job_id)]
    kinds = (e.Submitted, e.Scheduled, e.Started, e.CompensationClaimed)
    return [type(one) if isinstance(one, kinds) else _timeless(one) for one in found]


def _timeless(event: object) -> str:
    """By a clock that stands still, all else must be equal."""
    return repr(event)


@pytest.mark.parametrize("seed", range(3))
def test_given_a_wire_that_loses_a_fourth_when_workers_run_jobs_then_each_is_done_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S17, S25, L1: nothing is lost and nothing is done twice, with the real worker."""
    monkeypatch.setattr("parcae_adapters.http.wire.FIRST_PAUSE", 0.005)
    monkeypatch.setattr("parcae_adapters.http.wire.LONGEST_PAUSE", 0.02)
    chance = random.Random(seed)

    def fate(_: bytes) -> Fate:
        return chance.choice(FAULTS) if chance.random() < 0.25 else Fate.PASS

    async def scenario() -> None:
        host = Engine(MemoryStore())
        CALLS.clear()
        async with (
            served(make_app(host, access=access())) as url,
            between(url) as proxy,
            RemoteEngine(proxy.url, TOKENS[Scope.ADMIN]) as engine,
        ):
            proxy.fate = fate
            ids = []
            for number in range(8):
                key = str(number)
                handle = await insist(
                    lambda key=key: engine.submit(TRIP(key), idempotency_key=key)  # type: ignore[misc]
                )
                ids.append(handle.job_id)
            async with Worker(engine, JOBS, concurrency=3):
                async with asyncio.timeout(20):
                    ended = [await host.wait(job_id) for job_id in ids]
                proxy.fate = lambda _: Fate.PASS
        assert [one.result for one in ended] == [[str(n), f"a seat to {n}"] for n in range(8)]
        assert Counter({f"{name} {i}": 1 for name in ("book", "travel") for i in ids}) == CALLS
        assert (await fsck(host.store)).clean

    asyncio.run(scenario())


def test_given_a_claim_whose_answer_is_lost_for_ever_when_its_lease_ends_then_another_gets_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """L3: a lost answer is not lost work, even if nobody repeats the claim."""
    monkeypatch.setattr("parcae_adapters.http.wire.FIRST_PAUSE", 0.001)

    async def scenario() -> None:
        clock = ManualClock()
        host = Engine(MemoryStore(clock=clock))
        job_id = (await host.submit(TRIP("Troy"))).job_id
        async with (
            served(make_app(host, access=access())) as url,
            between(url) as proxy,
            RemoteEngine(proxy.url, TOKENS[Scope.WORK]) as engine,
        ):
            proxy.fate = lambda _: Fate.LOSE_ANSWER
            with pytest.raises(Unavailable):
                await engine.claim(ME, JOBS.kinds, request="lost")
            proxy.fate = lambda _: Fate.PASS
            other = WorkerId("other")
            assert not await engine.claim(other, JOBS.kinds, request="too early")
            clock.advance(Timing().lease + seconds(1))
            await host.reconcile()
            clock.advance(seconds(60))
            (held,) = await engine.claim(other, JOBS.kinds, request="in time")
            assert (held.job.id, held.lease.token, held.job.losses) == (job_id, 2, 1)
            assert not await engine.claim(ME, frozenset(), request="lost")
            assert (await host.show(job_id)).status is Status.RUNNING

    asyncio.run(scenario())
