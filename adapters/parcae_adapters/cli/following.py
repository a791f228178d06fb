"""The log as it grows: from where it stands now, or from anywhere, on and on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from parcae.change import AnyEvent
from parcae.ports import Named, Recorded, Store
from parcae.values import Position

PAGE = 1_000


async def head(store: Store) -> Position:
    """Where the log ends now."""
    return (await store.transact(Named(), lambda _: ())).position


async def follow(
    store: Store, after: Position, pause: timedelta
) -> AsyncIterator[Sequence[Recorded[AnyEvent]]]:
    """The events past ``after``, and then those that come; an empty batch after each ``pause``."""
    while True:
        mark = store.mark()
        batch = await store.log(after, PAGE)
        yield batch
        if batch:
            after = batch[-1].position
        if len(batch) < PAGE:
            await store.wait(mark, store.clock.now() + pause)
