"""Manual retries as applications ask for them: each of its own job, key and phases (S12, S17)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from parcae import Context, Engine, GiveUp, JobId, Jobs, Retry, RetryMode
from parcae.errors import Reason, Rejected
from parcae.saga import resubmission
from parcae.spec import Carried
from parcae.values import Status
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.testing import run_until_idle
from parcae_specs.story import (
    at,
    claim,
    given,
    reconcile,
    start,
    submit,
    undo,
    undo_failed,
)

T = TypeVar("T")
jobs = Jobs()
trip = jobs.saga("trip", retry=Retry(max_attempts=1))


@trip.phase
def fly(ctx: Context, who: str) -> str:
    return ctx.phase + who


@fly.undo(retry=Retry(max_attempts=1))
def unfly(ctx: Context, who: str, seat: str) -> None:
    raise GiveUp(ctx.phase + who + seat)


@trip.phase
def stay(ctx: Context, who: str) -> str:
    return ctx.phase + who


@stay.undo(retry=Retry(max_attempts=1))
def leave(ctx: Context, who: str, room: str) -> None:
    raise GiveUp(ctx.phase + who + room)


@trip.phase
def pay(ctx: Context, who: str) -> None:
    raise GiveUp(ctx.phase + who)


def asked(ask: Callable[[Engine, JobId, JobId], Awaitable[T]]) -> T:
    """Ask an engine that has two jobs whose undos are owed."""

    async def run() -> T:
        engine = Engine(MemoryStore(clock=ManualClock()))
        ids = [(await engine.submit(trip(name))).job_id for name in ("ann", "bob")]
        await run_until_idle(engine, jobs)
        assert [(await engine.show(one)).status for one in ids] == [Status.QUARANTINED] * 2
        return await ask(engine, ids[0], ids[1])

    return asyncio.run(run())


def test_s12_each_of_two_jobs_is_taken_up_by_one_of_its_own() -> None:
    async def both(engine: Engine, one: JobId, other: JobId) -> bool:
        heirs = [await engine.show((await engine.retry(each)).job_id) for each in (one, other)]
        origins = [heir.spec.origin.job_id for heir in heirs if heir.spec.origin]
        return origins == [one, other]

    assert asked(both)


@pytest.mark.parametrize(("same", "settled"), [(False, ("fly",)), (True, ("stay",))])
def test_s17_a_retrys_key_stands_for_its_job_and_what_was_settled(
    same: bool, settled: tuple[str, ...]
) -> None:
    async def again(engine: Engine, one: JobId, other: JobId) -> None:
        await engine.retry(one, RetryMode.UNDO, settled=("fly",), idempotency_key="k")
        which = one if same else other
        await engine.retry(which, RetryMode.UNDO, settled=settled, idempotency_key="k")

    with pytest.raises(Rejected) as refused:
        asked(again)
    assert refused.value.reason is Reason.KEY_REUSED


def test_s12_what_a_person_has_settled_is_not_undone() -> None:
    async def rest(engine: Engine, one: JobId, _: JobId) -> list[str]:
        handle = await engine.retry(one, RetryMode.UNDO, settled=("stay",))
        return [owed.phase for owed in (await engine.show(handle.job_id)).undos]

    assert asked(rest) == ["fly"]


def test_from_the_start_the_phases_have_keys_of_their_own() -> None:
    async def roots(engine: Engine, one: JobId, _: JobId) -> bool:
        handle = await engine.retry(one, RetryMode.FROM_START)
        origin = (await engine.show(handle.job_id)).spec.origin
        return origin is not None and origin.root == handle.job_id

    assert asked(roots)


def test_s12_an_unknown_phase_is_taken_over_as_unknown() -> None:
    story = given(submit("a?", retry=Retry(max_attempts=1)), claim(), start("a"))
    story.when(at(30), reconcile(), claim("bob"), undo("a"), undo_failed("a", permanent=True))
    assert story.job.status is Status.QUARANTINED
    command = resubmission(story.job, RetryMode.UNDO, job_id=JobId("new"), seed=1)
    assert command.carried == (Carried(phase="a", completed=False),)
