"""Crashes at the port: before a commit, after it, and after the answer; then the client repeats.

Whatever a client was told or not told, its second call has the answer that its first would have
had, and nothing happens twice (S25); and what did not commit left nothing behind (S23).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import cast

from attrs import field, frozen

from parcae.engine import Engine
from parcae.errors import ParcaeError
from parcae.ports import Store
from parcae_specs.crash.calls import Again, Call, calls, fits, said
from parcae_specs.crash.model import MODELS, Situation, situations
from parcae_specs.crash.scenes import (
    Died,
    MakeScene,
    Moment,
    Mortal,
    OnSqlite,
    Scene,
    State,
    in_memory,
)

OUTAGE = timedelta(hours=1)
SHARE = 5
"""Of so many points in memory one is run on SQLite."""
EVERYWHERE = 10**9


@frozen
class Survived:
    """What came of the crashes.

    Attributes:
        points: how many.
        by_call: how many, by the name of the call.
        taken: how many of the calls were not refused.
        wrong: what was wrong, one sentence each.
    """

    points: int = 0
    by_call: Mapping[str, int] = field(factory=dict)
    taken: int = 0
    wrong: Sequence[str] = ()


async def crash(
    situations: Sequence[Situation],
    scene: MakeScene,
    *,
    every: int = 1,
    limit: int | None = None,
    apart: bool = False,
) -> Survived:
    """Crash at each moment of each call in each of the situations.

    Args:
        situations: these.
        scene: makes the scene of each crash.
        every: leave out all but every so many calls.
        limit: crash no more often than so.
        apart: every crash needs names of its own, for the scenes share one store.
    """
    by_call: Counter[str] = Counter()
    wrong: list[str] = []
    taken, asked, numbers = 0, count(), count(1)
    for situation in situations:
        for call in calls(situation.stored):
            if next(asked) % every or (limit is not None and by_call.total() >= limit):
                continue
            told = await _told(next(numbers), situation, call)
            for moment in Moment:
                by_call[call.name] += 1
                taken += not isinstance(told.answer, ParcaeError)
                async with scene(told.number) as here:
                    found = await _point(told, situation, moment, here)
                wrong += [f"{call.name} in {situation}, {moment}: {why}" for why in found]
                if apart:
                    told = await _told(next(numbers), situation, call)
    return Survived(by_call.total(), by_call, taken, wrong)


Row = tuple[str, str, int, Survived]
"""What came of the crashes in a store, of a model, with so many states."""


def at_the_port(folder: Path, points: int) -> Sequence[Row]:
    """Crash in the models one after the other, until it was so often in memory."""
    return asyncio.run(_at_the_port(folder, points))


async def _at_the_port(folder: Path, points: int) -> Sequence[Row]:
    found: list[Row] = []
    sqlite = OnSqlite(folder / "port.db")
    for name, admission in MODELS.items():
        left = points - sum(one.points for store, *_, one in found if store == "memory")
        if left > 0:
            states = list(situations(admission, EVERYWHERE))
            memory = await crash(states, in_memory, limit=left)
            share = left // SHARE
            file = await crash(states, sqlite.scene, every=SHARE, limit=share, apart=True)
            found.append(("memory", name, len(states), memory))
            found.append(("SQLite", name, len(states), file))
    await sqlite.close()
    return found


@frozen
class Told:
    """One call, and what it comes to where nobody crashes.

    Attributes:
        number: names the jobs.
        call: the call.
        before: what the store held before it.
        answer: the answer or the refusal.
        after: what the store held after it.
    """

    number: int
    call: Call
    before: State
    answer: object
    after: State


async def _told(number: int, situation: Situation, call: Call) -> Told:
    async with in_memory(number) as unharmed:
        await unharmed.set(situation)
        before = await unharmed.state()
        answer = await _ask(call, unharmed.second, unharmed)
        return Told(number, call, before, answer, await unharmed.state())


async def _point(told: Told, situation: Situation, moment: Moment, here: Scene) -> Sequence[str]:
    await here.set(situation)
    found = await _die(told.call, moment, here, told.answer)
    if await here.state() != (told.before if moment is Moment.BEFORE else told.after):
        found.append("S23: the crash left something else behind than it should")
    if moment is Moment.BEFORE:
        given = await _ask(told.call, here.second, here)
        found += _difference(told.call, told.answer, given, first=True)
        if await here.state() != told.after:
            found.append("S25: what was repeated did something else than it would have done")
    return [*found, *await _repeat(told.call, here, told.answer, told.after)]


async def _die(call: Call, moment: Moment, here: Scene, answer: object) -> list[str]:
    """Call, and die at that moment; what is wrong with the answer, where there is one."""
    mortal = cast(Store, Mortal(here.first, moment))
    try:
        given = await _ask(call, mortal, here)
    except Died:
        return []
    # What the rule refuses never comes to a commit, so the refusal is the answer.
    refused = isinstance(given, ParcaeError)
    if moment is not Moment.ANSWERED and not refused:
        return ["the client outlived its crash"]
    return _difference(call, answer, given, first=True)


async def _repeat(call: Call, here: Scene, answer: object, after: State) -> Sequence[str]:
    """The client asks again, at once; and later, where the answer is to last for ever."""
    found = _difference(call, answer, await _ask(call, here.second, here), first=False)
    state = await here.state()
    noted = call.again is Again.ANOTHER and not isinstance(answer, ParcaeError)
    if noted:
        new = [one for one in state if one not in after]
        found += [] if sum(hasattr(one, "event") for one in new) == 1 else ["S25: not one note"]
    elif state != after:
        found.append("S25: the repeat changed something")
    if call.lasting and not isinstance(answer, ParcaeError):
        here.clock.advance(OUTAGE)
        await Engine(here.second).reconcile()
        later = await here.state()
        found += _difference(call, answer, await _ask(call, here.second, here), first=False)
        if await here.state() != later:
            found.append("S25: the repeat an hour later changed something")
    return found


def _difference(call: Call, expected: object, given: object, *, first: bool) -> list[str]:
    same = said(expected) == said(given) if first else fits(call, expected, given)
    which = "the first" if first else "the repeated"
    return [] if same else [f"S25: expected {which} answer for {expected}, got {given}"]


async def _ask(call: Call, store: Store, scene: Scene) -> object:
    try:
        return await call.ask(Engine(store), scene.jobs)
    except ParcaeError as refusal:
        return refusal
