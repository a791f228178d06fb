"""What the crash points may ask of a store: no order of calls that nobody waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from parcae.errors import Unavailable
from parcae.ports import Committed
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.crash.contents import Contents, contents
from parcae_specs.crash.points import alike
from parcae_specs.crash.script import chance, play, versions
from parcae_specs.story import START


class Refusing(MemoryStore):
    """Cannot answer one of its calls, by number; whoever repeats it is answered."""

    calls = 0
    refused = 0

    async def transact(self, *given: Any) -> Committed:
        """The call, unless it is that one."""
        self.calls += 1
        if self.calls == self.refused:
            await asyncio.sleep(0)
            raise Unavailable("try again")
        return await super().transact(*given)


async def played(refused: int) -> Contents:
    clock = ManualClock(START)
    store = Refusing(clock=clock, entropy=chance())
    store.refused = refused
    await play(store, clock, lambda _: None, tries=2)
    return await contents(store)


async def both(refused: int) -> tuple[Contents, Contents]:
    return (await versions())[-1], await played(refused)


def test_s23_of_a_crowd_one_may_come_after_the_others_if_it_had_to_ask_again() -> None:
    pairs = [asyncio.run(both(refused)) for refused in range(9, 18)]
    assert all(alike(found, expected) for expected, found in pairs)
    assert sum(found != expected for expected, found in pairs) >= 3


def test_what_is_missing_or_happened_twice_is_not_alike() -> None:
    expected, found = asyncio.run(both(12))
    assert not alike(found[1:], expected)
    assert not alike((*found, found[0]), expected)
    assert not alike([one.replace("by='ops'", "by='me'") for one in found], expected)  # type: ignore[arg-type]
