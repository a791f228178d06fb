"""Clocks: read, moved and slept by."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from parcae.values import Instant
from parcae_adapters import clock as clocks
from parcae_adapters.clock import EPOCH, ManualClock, SystemClock


def test_the_system_clock_shows_an_aware_instant_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_given_an_instant_that_is_past_nobody_sleeps() -> None:
    asyncio.run(SystemClock().sleep_until(EPOCH))


def test_when_the_system_clock_is_set_forth_a_sleeper_wakes_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clocks, "LONGEST_NAP", 0.01)

    class Jumping(SystemClock):
        looks = 0

        def now(self) -> Instant:
            self.looks += 1
            return EPOCH + timedelta(hours=self.looks > 3)

    clock = Jumping()
    asyncio.run(asyncio.wait_for(clock.sleep_until(EPOCH + timedelta(minutes=59)), 10))
    assert clock.looks == 4


def test_a_hand_moved_clock_stands_still_until_it_is_moved_either_way() -> None:
    clock = ManualClock()
    assert clock.now() == clock.now() == EPOCH
    assert clock.advance(timedelta(days=1)) == EPOCH + timedelta(days=1)
    clock.set(EPOCH - timedelta(days=1))
    assert clock.now() == EPOCH - timedelta(days=1)


def test_naive_instants_are_refused() -> None:
    naive = EPOCH.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(naive)
    with pytest.raises(ValueError, match="time zone"):
        ManualClock().set(naive)


def test_sleepers_wake_in_virtual_time_and_only_those_whose_time_has_come() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        soon = asyncio.create_task(clock.sleep_until(EPOCH + timedelta(hours=1)))
        late = asyncio.create_task(clock.sleep_until(EPOCH + timedelta(days=400)))
        await asyncio.sleep(0)
        assert clock.next_alarm() == EPOCH + timedelta(hours=1)
        clock.advance(timedelta(hours=1))
        await soon
        assert not late.done()
        assert clock.next_alarm() == EPOCH + timedelta(days=400)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert clock.next_alarm() is None

    asyncio.run(scenario())


def test_a_sleeper_in_another_thread_and_loop_is_woken_by_the_thread_that_moves_the_clock() -> None:
    clock = ManualClock()
    sleeper = threading.Thread(
        target=lambda: asyncio.run(clock.sleep_until(EPOCH + timedelta(hours=1)))
    )
    sleeper.start()
    while clock.next_alarm() is None:
        pass
    clock.advance(timedelta(hours=2))
    sleeper.join(10)
    assert not sleeper.is_alive()
