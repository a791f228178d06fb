"""Limits under stress, in short: real workers on one SQLite file, some of them killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from parcae import Engine
from parcae import events as e
from parcae.change import AnyEvent
from parcae.ports import Recorded
from parcae.values import WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.soak.lanes.replay import broken
from parcae_specs.soak.lanes.run import stress
from parcae_specs.soak.lanes.work import LIMITS, act, lanes


def test_s6_s7_l2_given_a_hundred_of_each_action_and_kills_then_limits_and_order_hold(
    tmp_path: Path,
) -> None:
    stressed = asyncio.run(stress(tmp_path, each=100, kills=4, seed=3))
    assert list(stressed.wrong) == []
    assert stressed.by_status == {"completed": 100 * len(LIMITS)}
    assert stressed.most == LIMITS
    assert stressed.starts > 100 * len(LIMITS)


async def two_started() -> list[Recorded[AnyEvent]]:
    """The log of two jobs of one lane that were claimed together, for it had no limit."""
    async with Engine(MemoryStore(clock=ManualClock())) as engine:
        for number in range(2):
            await engine.submit(act("solo", number), key="solo")
        await engine.claim(WorkerId("w"), frozenset({"act"}), request="1", limit=2)
        return list(await engine.store.log())


def test_s6_s7_given_a_log_that_breaks_a_limit_or_the_order_then_the_replay_says_so() -> None:
    """The control: without it the test above could not fail."""
    log = asyncio.run(two_started())
    assert list(broken(log, {})) == []
    (found,) = broken(log, lanes())
    assert found.startswith("S6: job")
    starts = [one for one in log if isinstance(one.event, e.Started)]
    others = [one for one in log if not isinstance(one.event, e.Started)]
    (found,) = broken([*others, *reversed(starts)], {})
    assert found.startswith("S7: job")
