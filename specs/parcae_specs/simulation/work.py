"""What is run: definitions whose handlers do, by chance, all that handlers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from parcae import Context, GiveUp, Jobs, OnLost, Retry, Timing, seconds
from parcae.values import mix
from parcae_specs.simulation.faults import Faults
from parcae_specs.simulation.monitor import Monitor
from parcae_specs.simulation.processes import this_process

FAST = Timing(
    lease=seconds(1.5),
    renewal=seconds(0.5),
    attempt=seconds(4),
    cancel_grace=seconds(1),
    undo=seconds(3),
)
URGENT = Timing(
    lease=seconds(0.9),
    renewal=seconds(0.3),
    attempt=seconds(3),
    cancel_grace=seconds(0.5),
    undo=seconds(2),
    stale_after=seconds(8),
    deadline=seconds(15),
)
THRICE = Retry(max_attempts=3, backoff=seconds(0.2), cap=seconds(1), max_releases=2)
TWICE = Retry(max_attempts=2, backoff=seconds(0), cap=seconds(1), max_releases=1)

LONGEST = 15.0
"""Seconds after which every handler has returned, whatever it was asked to do."""

BEHAVIOURS = {
    "returns": 40,
    "naps": 25,
    "long": 12,
    "raises": 8,
    "gives up": 3,
    "hangs": 4,
    "deaf": 4,
    "slow to stop": 3,
    "dies": 2,
    "blocks": 2,
}
STUBBORN = ("deaf", "slow to stop")
THREADED = "threaded"
"""The kind whose handlers run in threads, which nobody can cancel."""


class Crew:
    """The definitions of one simulation."""

    def __init__(self, seed: int, faults: Faults, monitor: Monitor) -> None:
        self.jobs = Jobs()
        self._seed = seed
        self._faults = faults
        self._monitor = monitor
        self._plain("quick", timing=FAST, retry=THRICE)
        self._plain("brittle", timing=FAST, retry=TWICE, on_lost=OnLost(action="quarantine"))
        self._plain("urgent", timing=URGENT, retry=THRICE, on_lost=OnLost(action="fail"))
        self._threaded(THREADED)
        self._saga("trip", unknown=True)
        self._saga("deal", unknown=False)

    def _plain(self, name: str, **options: Any) -> None:
        @self.jobs.job(name, **options)
        async def run(ctx: Context, number: int) -> int:
            return await self._act(ctx, number)

    def _threaded(self, name: str) -> None:
        @self.jobs.job(name, timing=FAST, retry=THRICE, on_lost=OnLost(times=1))
        def run(ctx: Context, number: int) -> Any:
            return self._act(ctx, number)

    def _saga(self, name: str, *, unknown: bool) -> None:
        saga = self.jobs.saga(name, timing=FAST, retry=TWICE)

        @saga.phase
        async def first(ctx: Context, number: int) -> int:
            return await self._act(ctx, number)

        @first.undo(unknown=True, retry=TWICE)
        async def undo_first(ctx: Context, number: int, result: int | None) -> None:
            assert ctx.unknown == (result is None)
            await self._act(ctx, number)

        @saga.phase
        async def second(ctx: Context, number: int) -> int:
            assert ctx.result(first) == number
            return await self._act(ctx, number)

        @second.undo(unknown=unknown, retry=THRICE)
        async def undo_second(ctx: Context, number: int, result: int | None) -> None:
            assert ctx.unknown == (result is None)
            await self._act(ctx, number)

        @saga.phase
        async def third(ctx: Context, number: int) -> int:
            return await self._act(ctx, number)

    async def _act(self, ctx: Context, number: int) -> int:
        drawn = mix(self._seed, number, ctx.phase, ctx.undo, ctx.token, ctx.job_id)
        chance = Random(drawn)
        behaviour = chance.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
        obeys = ctx.kind != THREADED and behaviour not in STUBBORN
        handling = self._monitor.begin(this_process(), ctx, obeys=obeys)
        try:
            await self._behave(behaviour, chance, ctx)
        finally:
            self._monitor.end(handling)
        return number

    async def _behave(self, behaviour: str, chance: Random, ctx: Context) -> None:
        ctx.progress(1, 2, behaviour)
        naps: dict[str, Callable[[], float]] = {
            "returns": lambda: 0.0,
            "naps": lambda: chance.uniform(0, 1),
            "long": lambda: chance.uniform(2, 3.5),
        }
        if behaviour in naps:
            await asyncio.sleep(naps[behaviour]())
        elif behaviour == "raises":
            await asyncio.sleep(chance.choice((0.0, chance.uniform(0.4, 2))))
            raise OSError("out of order")
        elif behaviour == "gives up":
            raise GiveUp("no hope")
        elif behaviour == "hangs":
            await asyncio.sleep(LONGEST)
        elif behaviour == "deaf":
            await _deaf(chance.uniform(1, LONGEST))
        elif behaviour == "slow to stop":
            await _slow_to_stop()
        elif not self._faults.over:
            await self._harm(behaviour, chance)

    async def _harm(self, behaviour: str, chance: Random) -> None:
        process = this_process()
        if behaviour == "dies":
            process.crash()
            await asyncio.get_running_loop().create_future()
        process.block()
        process.keeper.call_later(chance.uniform(0.5, 3), process.unblock)
        await asyncio.sleep(0)


async def _deaf(length: float) -> None:
    """Go on to the end, whoever asks it to stop."""
    clock = asyncio.get_running_loop().time
    until = clock() + length
    while (left := until - clock()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


async def _slow_to_stop() -> None:
    try:
        await asyncio.sleep(LONGEST)
    finally:
        await asyncio.sleep(0.5)
