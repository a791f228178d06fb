"""The script of all use cases: what goes on while everything is killed, cut off or refused.

It is a sequence of waves; the calls of one wave come at once, so that they share a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from attrs import evolve as replace
from attrs import frozen

from parcae.engine import Engine
from parcae.errors import Corrupt, ParcaeError, Unavailable
from parcae.ports import Clock, Entropy, Store
from parcae.spec import RetryMode
from parcae.values import Instant
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.crash.client import Client
from parcae_specs.crash.contents import Contents, contents
from parcae_specs.story import START

Call = Callable[[Client], Awaitable[None]]
MakeStore = Callable[[Clock, Entropy], Store]
Acknowledge = Callable[[int], None]


@frozen
class Wave:
    """Calls that come at once.

    Attributes:
        at: the instant.
        calls: what is called.
    """

    at: Instant
    calls: Sequence[Call]


def _wave(seconds: float, *calls: Call) -> Wave:
    return Wave(START + timedelta(seconds=seconds), calls)


def _a(method: Callable[..., Awaitable[None]], *names: Any, **options: Any) -> Call:
    async def call(client: Client) -> None:
        await method(client, *names, **options)

    return call


def _one_by_one(seconds: float, *calls: Call) -> tuple[Wave, ...]:
    return tuple(_wave(seconds, one) for one in calls)


C = Client
CROWD = ("one", "two", "three", "four")

WAVES: Sequence[Wave] = (
    *_one_by_one(
        0,
        _a(C.submit, "good", "pack~", "ship"),
        _a(C.submit, "good", "pack~", "ship"),
        _a(C.submit, "waits", after="good"),
        _a(C.claim, "good"),
        _a(C.start, "good", "pack"),
        _a(C.note, "good", "half way"),
        _a(C.done, "good", "pack"),
        _a(C.start, "good", "ship"),
    ),
    _wave(5, _a(C.renew, "good")),
    # What waits for it is settled in the same commit.
    _wave(6, _a(C.done, "good", "ship")),
    # A crowd shares commits, from its admission to its end.
    _wave(7, *(_a(C.submit, one) for one in CROWD)),
    _wave(8, _a(C.claim, *CROWD)),
    _wave(9, *(_a(C.start, one) for one in CROWD)),
    _wave(10, _a(C.renew, *CROWD), *(_a(C.note, one, "crowded") for one in CROWD)),
    _wave(11, *(_a(C.done, one) for one in CROWD[:2]), _a(C.release, "three")),
    _wave(12, _a(C.cancel, "waits"), _a(C.cancel, "four")),
    _wave(13, _a(C.confirm, "four"), _a(C.claim, "three", worker="bob")),
    _wave(13, _a(C.delete, "one")),
    *_one_by_one(
        14,
        # What was done is undone, at the second try.
        _a(C.submit, "back", "pack~", "ship~", "bill", max_attempts=1),
        _a(C.claim, "back"),
        _a(C.start, "back", "pack"),
        _a(C.done, "back", "pack"),
        _a(C.start, "back", "ship"),
        _a(C.done, "back", "ship"),
        _a(C.start, "back", "bill"),
        _a(C.fail, "back"),
        _a(C.claim, "back", worker="bob"),
        _a(C.undo, "back", "ship"),
        _a(C.undone, "back", "ship"),
        _a(C.undo, "back", "pack"),
        _a(C.undo_fails, "back", "pack"),
    ),
    *_one_by_one(
        16,
        _a(C.claim, "back", worker="cyd"),
        _a(C.undo, "back", "pack"),
        _a(C.release, "back"),
        _a(C.claim, "back", worker="dee"),
        _a(C.undo, "back", "pack"),
        _a(C.undone, "back", "pack"),
        # A handler that is cut off by force reports all the same.
        _a(C.submit, "forced", "pack?"),
        _a(C.claim, "forced"),
        _a(C.start, "forced", "pack"),
        _a(C.cancel, "forced", force=True),
        _a(C.claim, "forced", worker="bob"),
        _a(C.done, "forced", "pack", late=True),
    ),
    *_one_by_one(
        50,
        # Leases are lost: of ``three``, which is forward work, and of ``forced``, an undo.
        _a(C.reconcile),
        _a(C.claim, "forced", worker="cyd"),
        _a(C.undo, "forced", "pack"),
        _a(C.undone, "forced", "pack"),
        # What fails for good is retried from its start, and then from where it got.
        _a(C.submit, "again", "pack", "ship"),
        _a(C.claim, "again"),
        _a(C.start, "again", "pack"),
        _a(C.fail, "again", permanent=True),
        _a(C.retry, "afresh", "again", RetryMode.FROM_START),
        _a(C.claim, "again", worker="bob"),
        _a(C.start, "again", "pack"),
        _a(C.done, "again", "pack"),
        _a(C.start, "again", "ship"),
        _a(C.fail, "again"),
    ),
    *_one_by_one(
        52,
        _a(C.claim, "again", worker="cyd"),
        _a(C.start, "again", "ship"),
        _a(C.fail, "again", permanent=True),
        _a(C.retry, "resumed", "again", RetryMode.RESUME),
        _a(C.claim, "again", worker="dee"),
        _a(C.start, "again", "ship"),
        _a(C.done, "again", "ship"),
        # What a person has to see to is undone by a job of its own.
        _a(C.submit, "stuck", "pack~", "ship", max_attempts=1),
        _a(C.claim, "stuck"),
        _a(C.start, "stuck", "pack"),
        _a(C.done, "stuck", "pack"),
        _a(C.start, "stuck", "ship"),
        _a(C.fail, "stuck"),
        _a(C.claim, "stuck", worker="bob"),
        _a(C.undo, "stuck", "pack"),
        _a(C.undo_fails, "stuck", "pack", permanent=True),
        _a(C.retry, "undone", "stuck", RetryMode.UNDO),
        _a(C.claim, "stuck", worker="cyd"),
        _a(C.undo, "stuck", "pack"),
        _a(C.undone, "stuck", "pack"),
        _a(C.delete, "good"),
        _a(C.submit, "left", "pack~", "ship"),
        _a(C.claim, "left"),
        _a(C.start, "left", "pack"),
        _a(C.done, "left", "pack"),
        _a(C.submit, "later"),
    ),
    *_one_by_one(
        60,
        # Somebody is told: what is owed stands in the commit that owes it.
        _a(C.subscribe, "hook", "told", "more"),
        _a(C.submit, "told"),
        _a(C.take, "hook", "1"),
        _a(C.report, "hook", 503),
        _a(C.claim, "told"),
        _a(C.start, "told"),
        _a(C.done, "told"),
        _a(C.take, "hook", "2"),
        _a(C.give_back, "hook"),
    ),
    *_one_by_one(
        70,
        _a(C.take, "hook", "3"),
        _a(C.settle, "hook", 204),
        _a(C.replay, "hook"),
        _a(C.seal),
        _a(C.unseal),
        _a(C.take, "hook", "4"),
        _a(C.report, "hook", 410),
        _a(C.enable, "hook"),
        _a(C.submit, "more"),
        _a(C.take, "hook", "5"),
        _a(C.seal),
    ),
)
"""At the end some work is held, some waits, some has ended; and something is owed."""

CALLS = sum(len(wave.calls) for wave in WAVES)


def chance() -> Entropy:
    """Numbers that only grow, so that the ids of one millisecond are in order, too."""
    return partial(next, count(1))


def _bear(_: ParcaeError) -> None:
    """Nobody needs to know."""


async def play(
    store: Store,
    clock: ManualClock,
    said: Acknowledge,
    tries: int = 1,
    refused: Callable[[ParcaeError], None] = _bear,
) -> None:
    """Call it all; what was answered is said, by its number.

    Args:
        store: an empty one.
        clock: the one that it reads.
        said: is told of each answer.
        tries: how often to make a call that nobody can answer.
        refused: is told why one was not answered.
    """

    async def insist(call: Call, number: int) -> None:
        mine = client
        for left in reversed(range(tries)):
            try:
                await call(mine)
            except (Unavailable, Corrupt) as error:
                # SQLite calls a file that cannot be read at the moment a damaged one.
                refused(error)
                if not left:
                    raise
                mine = replace(client, wary=True)
            else:
                break
        said(number)

    client, number = Client(Engine(store)), count(1)
    for wave in WAVES:
        clock.set(wave.at)
        await asyncio.gather(*(insist(one, next(number)) for one in wave.calls))


async def versions() -> Sequence[Contents]:
    """What a store holds after each call, and before the first: in memory, where nothing fails."""
    clock = ManualClock(START)
    store = MemoryStore(clock=clock, entropy=chance())
    client, found = Client(Engine(store)), [await contents(store)]
    for wave in WAVES:
        clock.set(wave.at)
        for one in wave.calls:
            await one(client)
            found.append(await contents(store))
    return found
