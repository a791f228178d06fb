"""What every clock promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ClassVar, TypeVar

import pytest

from parcae.ports import Clock
from parcae.values import Instant
from parcae_specs.contracts.kit import PATIENCE

T = TypeVar("T")

SHORT = timedelta(milliseconds=30)


class ClockContract:
    """Inherit, and say in ``make`` how to make the clock, and in ``pass_time`` how to move it."""

    make: ClassVar[Callable[[], Clock]]
    by_hand: ClassVar[bool] = False
    """It stands still until it is moved."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Fresh for each test."""
        return type(self).make()

    def pass_time(self, clock: Clock, by: timedelta) -> None:
        """Move it on by so much; nothing to do for one that goes by itself."""

    def test_s21_now_is_an_aware_instant_in_utc(self, clock: Clock) -> None:
        """Clock 1."""
        now: Instant = clock.now()
        assert now.utcoffset() == timedelta(0), f"Clock 1: {now!r} is not in UTC"

    def test_s21_it_goes_on(self, clock: Clock) -> None:
        """Clock 1."""
        before = clock.now()
        self.pass_time(clock, SHORT)
        _within(_until(clock, before))
        assert clock.now() > before

    def test_l8_given_an_instant_that_is_past_nobody_sleeps(self, clock: Clock) -> None:
        """Clock 2."""
        _within(clock.sleep_until(clock.now()))
        _within(clock.sleep_until(clock.now() - timedelta(days=1)))

    def test_l8_who_sleeps_until_an_instant_wakes_at_it_or_later(self, clock: Clock) -> None:
        """Clock 2."""
        until = clock.now() + SHORT

        async def sleep() -> Instant:
            sleeper = asyncio.create_task(_sleep(clock, until))
            await asyncio.sleep(0)
            self.pass_time(clock, SHORT / 2)
            await asyncio.sleep(0)
            assert not self.by_hand or not sleeper.done(), "Clock 2: it woke too early"
            self.pass_time(clock, SHORT / 2)
            return await sleeper

        assert _within(sleep()) >= until, "Clock 2: it woke before its instant"

    def test_l8_it_may_be_slept_by_in_any_loop_of_any_thread(self, clock: Clock) -> None:
        """Clock 2."""
        until = clock.now() + SHORT
        woken: list[Instant] = []
        threads = [
            threading.Thread(target=lambda: woken.append(_within(_sleep(clock, until))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.pass_time(clock, SHORT)
            threads[0].join(0.005)
            for thread in threads[1:]:
                thread.join(0.005)
        assert len(woken) == 3
        assert all(at >= until for at in woken)

    def test_l8_who_stops_sleeping_disturbs_nobody(self, clock: Clock) -> None:
        """Clock 2."""

        async def scenario() -> Instant:
            until = clock.now() + SHORT
            sleepers = [asyncio.create_task(_sleep(clock, until)) for _ in range(4)]
            await asyncio.sleep(0)
            for sleeper in sleepers[:2]:
                sleeper.cancel()
            await asyncio.sleep(0)
            self.pass_time(clock, SHORT)
            done = await asyncio.gather(*sleepers, return_exceptions=True)
            assert [isinstance(one, BaseException) for one in done] == [True, True, False, False]
            return until

        until = _within(scenario())
        assert clock.now() >= until


async def _sleep(clock: Clock, until: Instant) -> Instant:
    await clock.sleep_until(until)
    return clock.now()


async def _until(clock: Clock, before: Instant) -> None:
    while clock.now() <= before:  # noqa: ASYNC110 - nobody tells when a clock goes on
        await asyncio.sleep(0.001)


def _within(doing: Awaitable[T]) -> T:
    async def whole() -> T:
        async with asyncio.timeout(PATIENCE):
            return await doing

    return asyncio.run(whole())
