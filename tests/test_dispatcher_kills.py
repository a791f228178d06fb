"""A dispatcher that is killed between any two steps: everything arrives, nothing is forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatcher_victim import CONCURRENCY, POINTS
from hooks import SUBMITTED, all_delivered, dispatcher, listed, owe, receiving, until

from parcae import Engine, minutes
from parcae.deliveries import Standing, webhook_id
from parcae.outbox_engine import OutboxEngine
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.dispatcher.lanes import AHEAD
from parcae_adapters.http.whsec import new_secret
from parcae_adapters.sqlite import SqliteStore

ROOT = Path(__file__).parents[1]
OWED = 12


async def _killed(database: Path, point: str) -> None:
    folders = (ROOT / one for one in ("kernel", "adapters", "specs", "tests"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tests/dispatcher_victim.py"), str(database), point),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
    )
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL


@pytest.mark.parametrize("point", POINTS)
def test_given_a_kill_between_two_steps_then_each_arrives_and_none_after_it_is_recorded(
    tmp_path: Path, point: str
) -> None:
    """S15, S23, L4: at least once, the same id and body, and never after a recorded delivery."""

    async def main() -> None:
        database = tmp_path / "jobs.db"
        async with receiving() as receiver:
            async with Engine(SqliteStore(str(database))) as engine:
                outbox = OutboxEngine(engine.store)
                url = receiver.url()
                await outbox.subscribe("hook", url, wanted=SUBMITTED, secret=new_secret())
                await owe(engine, OWED)
            await _killed(database, point)
            before = len(receiver.got)
            # Whoever looks two minutes later finds no lease that still holds.
            clock = ManualClock(datetime.now(UTC) + minutes(2))
            async with Engine(SqliteStore(str(database), clock=clock)) as engine:
                outbox = OutboxEngine(engine.store)
                found = await listed(outbox, "hook")
                done = {webhook_id(one.id) for one in found if one.stage is Standing.DELIVERED}
                bodies = {webhook_id(one.id): await outbox.body(one.id) for one in found}
                assert len(done) < OWED
                async with dispatcher(outbox):
                    await until(lambda: all_delivered(outbox, "hook", OWED))
            assert set(receiver.ids) == set(bodies)
            assert all(one.body == bodies[one.id] for one in receiver.got)
            assert not done & set(receiver.ids[before:])
            # What it held as it died may have come twice, and it never holds more than that.
            assert len(receiver.got) <= OWED + (1 + AHEAD) * CONCURRENCY

    asyncio.run(main())
