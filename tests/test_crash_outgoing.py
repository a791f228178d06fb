"""Crashes at the port of the outbox: before the commit, after it, and after the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest
from attrs import evolve as replace

from parcae import Context, Engine, Jobs
from parcae import deliveries as d
from parcae.errors import ParcaeError
from parcae.filters import Filter
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae.ports import DeliveryQuery, Store
from parcae.settling import Said
from parcae.values import StreamId, Token, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.crash.calls import said
from parcae_specs.crash.scenes import Died, Moment, Mortal

SENDER = WorkerId("sender")
YES, NO, GONE = d.Attempt(status=204), d.Attempt(status=503), d.Attempt(status=410)
ONE = Token(1)
SUBMITTED = Filter(types=("submitted",))

Ask = Callable[[OutboxEngine, StreamId], Awaitable[object]]

CALLS: dict[str, Ask] = {
    "take": lambda engine, _: engine.take(SENDER, request="1"),
    "report yes": lambda engine, name: engine.report(name, ONE, YES),
    "report no": lambda engine, name: engine.report(name, ONE, NO),
    "report gone": lambda engine, name: engine.report(name, ONE, GONE),
    "release": lambda engine, name: engine.release(name, ONE),
    "settle": lambda engine, name: engine.settle(
        [Said(delivery=name, command=d.Report(token=ONE, attempt=YES))]
    ),
    "replay": lambda engine, name: engine.replay(name),
    "seal": lambda engine, _: engine.seal(by="ops"),
    "unseal": lambda engine, _: engine.unseal(by="ops"),
    "disable": lambda engine, _: engine.disable("hook"),
    "enable": lambda engine, _: engine.enable("hook"),
}

SITUATIONS: dict[str, Sequence[str]] = {
    "owed": (),
    "sealed": ("seal",),
    "disabled": ("disable",),
    "being sent": ("take",),
    "being sent, sealed": ("take", "seal"),
    "delivered": ("take", "report yes"),
    "to be tried again": ("take", "report no"),
    "given back": ("take", "release"),
    "gone": ("take", "report gone"),
    "replayed": ("take", "report yes", "replay"),
}

JOBS = Jobs()


@JOBS.job("greet")
def greet(ctx: Context) -> None:
    """Never run here: that it is submitted is what is owed."""


async def _scene(before: Sequence[str]) -> tuple[MemoryStore, StreamId]:
    numbers = iter(range(1, 1_000))
    store = MemoryStore(clock=ManualClock(), entropy=lambda: next(numbers))
    engine = OutboxEngine(store)
    await engine.subscribe("hook", "https://example.org/hook", wanted=SUBMITTED)
    await Engine(store).submit(greet())
    (owed,) = (await engine.deliveries(DeliveryQuery())).deliveries
    for name in before:
        await CALLS[name](engine, owed.id)
    return store, owed.id


async def _ask(call: Ask, store: Store, name: StreamId) -> object:
    try:
        return await call(OutboxEngine(store), name)
    except ParcaeError as refusal:
        return refusal


def _told(answer: object) -> object:
    """An answer as a value; that a take says of a repeat that it is one makes no difference."""
    if isinstance(answer, tuple):
        return tuple(
            replace(one, repeated=False) if isinstance(one, Dispatch) else said(one)
            for one in answer
        )
    return said(answer)


async def _crash(before: Sequence[str], asked: str, moment: Moment) -> None:
    call = CALLS[asked]
    unharmed, name = await _scene(before)
    log = await unharmed.log()
    answer = await _ask(call, unharmed, name)
    after = await unharmed.log()

    store, name = await _scene(before)
    mortal = cast(Store, _Whole(store, moment))
    try:
        given = await _ask(call, mortal, name)
        assert isinstance(given, ParcaeError) or moment is Moment.ANSWERED
    except Died:
        pass
    if moment is Moment.BEFORE:
        assert await store.log() == log, "S23"
        assert _told(await _ask(call, store, name)) == _told(answer)
    assert await store.log() == after
    again = await _ask(call, store, name)
    if asked == "replay" and not isinstance(answer, ParcaeError):
        # A replay has no key: a second one is written down, and the delivery is owed once still.
        assert isinstance(again, d.Delivery)
        assert isinstance(again.state, d.Waiting)
        (new,) = (await store.log())[len(after) :]
        assert isinstance(new.event, d.DeliveryReplayed)
        return
    assert _told(again) == _told(answer), "S25: the same answer"
    assert await store.log() == after, "S25: no new event"


class _Whole(Mortal):
    """A mortal store that an engine can ask for the time, too."""

    @property
    def clock(self) -> object:
        """The store's."""
        return self.store.clock


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", CALLS)
def test_given_a_delivery_when_whoever_asks_crashes_at_any_moment_then_the_repeat_is_answered_alike(
    name: str, situation: str
) -> None:
    """S14, S23, S25."""

    async def all_moments() -> None:
        for moment in Moment:
            await _crash(SITUATIONS[situation], name, moment)

    asyncio.run(all_moments())
