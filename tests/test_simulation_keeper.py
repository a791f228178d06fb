"""What the simulation's reading of the keeper brought to light, without any simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from parcae import Context, Engine, Jobs, Retry, Timing, seconds
from parcae.answers import Granted, Renewed
from parcae.errors import ParcaeError
from parcae.handle import Held
from parcae.handlers import error_of
from parcae.values import WorkerId
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker.execution import Execution
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
