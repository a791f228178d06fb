"""What the simulation brought to light about the worker, without any simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from parcae import Context, Engine, Jobs, Retry, Timing, seconds
from parcae.answers import Accepted, Granted, Reconciled, Renewed
from parcae.errors import ParcaeError, Unavailable
from parcae.handle import Held
from parcae.handlers import error_of
from parcae.values import JobId, Token, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker.execution import Execution, Stop
from parcae_adapters.worker.keeper import Keeper

ME = WorkerId("me")
ALWAYS_DUE = Timing(lease=seconds(30), renewal=seconds(0.000001))


class Slow(Engine):
    """Its renewals are answered only after the job has failed and come back to the same worker."""

    keeper: Keeper
    returned: list[Execution]
    jobs: Jobs

    async def take(self, request: str) -> Execution:
        (granted,) = await self.claim(ME, self.jobs.kinds, request=request)
        assert isinstance(granted, Granted)
        execution = Execution(self, self.jobs, granted)
        self.keeper.hold(execution)
        return execution

    async def renew(self, held: Sequence[Held]) -> Sequence[Renewed | ParcaeError]:
        answers = await super().renew(held)
        for one in held:
            await self.fail(one.job_id, one.command.token, error_of(OSError("broken")))
        self.returned.append(await self.take("second"))
        return answers


def test_given_a_job_back_under_a_new_lease_when_the_old_one_is_renewed_then_the_new_is_kept() -> (
    None
):
    jobs = Jobs()

    @jobs.job("flaky", timing=ALWAYS_DUE, retry=Retry(backoff=seconds(0)))
    async def flaky(_: Context) -> None: ...

    async def scenario() -> None:
        engine = Slow(MemoryStore())
        engine.keeper, engine.returned, engine.jobs = Keeper(engine, ME, seconds(1)), [], jobs
        await engine.submit(flaky())
        old = await engine.take("first")
        await engine.start_phase(old.job_id, old.token, "run")
        await asyncio.sleep(0.001)
        await engine.keeper._renew(engine.keeper._due())
        await asyncio.sleep(0.001)
        assert engine.keeper._due() == engine.returned
        assert engine.returned[0].token == old.token + 1

    asyncio.run(scenario())


class Late(Engine):
    """Its leave to begin arrives once the lease is known to be lost."""

    execution: Execution

    async def start_phase(self, job_id: JobId, token: Token, phase: str) -> Accepted:
        accepted = await super().start_phase(job_id, token, phase)
        self.execution.interrupt(Stop.LOST)
        return accepted


def test_s29_given_a_lost_lease_when_leave_to_begin_comes_late_then_no_thread_begins() -> None:
    jobs, begun = Jobs(), []

    @jobs.job("plain")
    def plain(ctx: Context) -> None:
        begun.append(ctx.token)

    async def scenario() -> None:
        engine = Late(MemoryStore())
        await engine.submit(plain())
        (granted,) = await engine.claim(ME, jobs.kinds, request="only")
        engine.execution = Execution(engine, jobs, granted)
        await engine.execution.run()

    asyncio.run(scenario())
    assert begun == []


class Hanging(Engine):
    """Its renewals are not answered."""

    async def renew(self, held: Sequence[Held]) -> Sequence[Renewed | ParcaeError]:
        await asyncio.sleep(3600)
        return await super().renew(held)


def test_s29_given_a_store_that_hangs_when_a_lease_runs_out_then_its_handler_is_told() -> None:
    jobs, timing = Jobs(), Timing(lease=seconds(0.3), renewal=seconds(0.1))

    @jobs.job("long", timing=timing)
    async def long(_: Context) -> None: ...

    async def scenario() -> None:
        engine = Hanging(MemoryStore())
        keeper = Keeper(engine, ME, seconds(1))
        await engine.submit(long())
        (granted,) = await engine.claim(ME, jobs.kinds, request="only")
        execution = Execution(engine, jobs, granted)
        keeper.hold(execution)
        turning = asyncio.create_task(keeper._main())
        async with asyncio.timeout(5):
            while execution.stop is None:  # noqa: ASYNC110 - the keeper sets no event
                await asyncio.sleep(0.05)
        turning.cancel()
        assert execution.stop is Stop.EXPIRED
        assert engine.store.clock.now() >= granted.expires_at

    asyncio.run(scenario())


def test_s29_given_a_job_that_comes_back_to_its_worker_then_the_former_handler_is_told() -> None:
    """Seed 4772: the later lease took the former's place, and its handler heard of nothing."""
    jobs = Jobs()

    @jobs.job("lost", timing=Timing(lease=seconds(3), renewal=seconds(1)))
    async def lost(_: Context) -> None: ...

    async def scenario() -> None:
        clock = ManualClock()
        engine = Engine(MemoryStore(clock=clock))
        keeper = Keeper(engine, ME, seconds(1))
        held: list[Execution] = []
        await engine.submit(lost())
        for request in ("first", "second"):
            (granted,) = await engine.claim(ME, jobs.kinds, request=request)
            held.append(Execution(engine, jobs, granted))
            keeper.hold(held[-1])
            clock.advance(seconds(30))
            await engine.reconcile()
        former, later = held
        assert former.token < later.token
        assert former.stop is Stop.LOST
        assert later.stop is None

    asyncio.run(scenario())


class Full(Engine):
    """Its store cannot answer: its disk is full."""

    asked = 0
    often: asyncio.Event

    async def reconcile(self, limit: int = 100) -> Sequence[Reconciled]:  # noqa: ARG002
        self.asked += 1
        if self.asked == 4:
            self.often.set()
        raise Unavailable("the disk is full")


def test_given_a_store_that_cannot_answer_then_it_is_asked_again_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten lines a second would take from a full disk what somebody has just freed."""

    async def scenario() -> None:
        engine = Full(MemoryStore())
        engine.often = asyncio.Event()
        keeper = Keeper(engine, ME, seconds(0.001))
        turning = asyncio.create_task(keeper._main())
        await asyncio.wait_for(engine.often.wait(), 20)
        keeper._stopping.set()
        await turning

    asyncio.run(scenario())
    assert [one.getMessage() for one in caplog.records if one.name == "parcae.worker"] == [
        "worker me: the disk is full; repeating"
    ]
