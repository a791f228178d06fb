"""Crashes at the port, and that the harness would notice a store that cannot take them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from parcae.change import Change, Revision, View
from parcae.decide import fence
from parcae.ports import Committed, Named, Query, Rule, Selection, Store
from parcae.values import Position
from parcae_adapters.memory import MemoryStore
from parcae_specs.crash.model import MODELS, Situation, situations
from parcae_specs.crash.port import Survived, crash
from parcae_specs.crash.scenes import OnSqlite, Scene, in_memory

TINY = "one phase, tried once, its undo too"
STATES = {
    TINY: 331,
    "waits for another, and has a deadline": 1_525,
}
"""Of the two smallest models, walked to their ends."""


def reachable(model: str) -> Sequence[Situation]:
    return list(situations(MODELS[model], 10_000))


@pytest.mark.parametrize(("model", "count"), STATES.items())
def test_small_models_of_one_job_are_walked_to_their_ends(model: str, count: int) -> None:
    assert len(reachable(model)) == count


def test_s23_s25_whenever_its_client_crashes_the_memory_store_answers_the_repeat() -> None:
    # One state in two; `python -m parcae_specs.crash` takes them all.
    survived = asyncio.run(crash(reachable(TINY)[::2], in_memory))
    assert list(survived.wrong[:3]) == []
    assert survived.points > 15_000
    assert survived.taken > 5_000
    assert len(survived.by_call) == 24, "of every use case"


def test_s23_s25_so_it_does_for_jobs_that_wait_for_others() -> None:
    waiting = reachable("waits for another, and has a deadline")[:12]
    survived = asyncio.run(crash(waiting, in_memory))
    assert list(survived.wrong[:3]) == []
    assert survived.by_call["SettleDependency"] > 5


def test_s23_s25_s26_so_does_sqlite_where_another_process_repeats(tmp_path: Path) -> None:
    async def run() -> Survived:
        sqlite = OnSqlite(tmp_path / "jobs.db")
        survived = await crash(reachable(TINY), sqlite.scene, every=37, apart=True)
        await sqlite.close()
        return survived

    survived = asyncio.run(run())
    assert list(survived.wrong[:3]) == []
    assert survived.points > 600


class Hasty:
    """Stores before it has decided: a store that is not atomic. For scenes only."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def find(self, query: Query) -> object:
        return await self._store.find(query)

    async def log(self, after: Position) -> object:
        return await self._store.log(after)

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        kept: list[Change | Revision] = []

        def first(view: View) -> Sequence[Change | Revision]:
            try:
                kept.extend(rule(view))
            except BaseException:
                kept.extend(_of(rule)(view))
                raise
            return kept

        try:
            return await self._store.transact(selection, first)
        except BaseException:
            done = [one for one in kept if isinstance(one, Revision) or not one.idle]
            if done:
                await self._store.transact(Named(), lambda _: done)
            raise


def _of(rule: Rule) -> Rule:
    """The rule inside the one that dies."""
    cells = {cell.cell_contents for cell in rule.__closure__ or () if callable(cell.cell_contents)}
    return cast(Rule, cells.pop()) if cells else rule


def test_a_store_that_is_not_atomic_is_noticed() -> None:
    @asynccontextmanager
    async def scene(number: int) -> AsyncIterator[Scene]:
        async with in_memory(number) as good:
            assert isinstance(good.first, MemoryStore)
            yield Scene(number, good.clock, cast(Store, Hasty(good.first)), good.second)

    states = reachable(TINY)[:10]
    wrong = asyncio.run(crash(states, scene)).wrong
    assert any("S23: the crash left something else behind" in one for one in wrong)


def test_a_kernel_that_forgets_what_it_took_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "_repeated", lambda *_: False)
    states = reachable(TINY)[:10]
    wrong = asyncio.run(crash(states, in_memory)).wrong
    assert any("S25: expected the repeated answer" in one for one in wrong)
