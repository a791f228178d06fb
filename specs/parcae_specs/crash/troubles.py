"""What befalls a store that lives on: a full disk, a torn log, other processes and their locks."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import field, frozen

from parcae.errors import ParcaeError
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash.contents import Contents, contents
from parcae_specs.crash.recovery import recover
from parcae_specs.crash.script import WAVES, chance, play
from parcae_specs.story import START

PATIENCE = 10_000
"""How often a client calls again that never gives up."""


@frozen
class Troubled:
    """What came of trouble.

    Attributes:
        times: how often there was some.
        refusals: what clients were told, and how often.
        wrong: what was wrong, one sentence each.
    """

    times: int = 0
    refusals: Mapping[str, int] = field(factory=dict)
    wrong: Sequence[str] = ()


class Bounded(sqlite3.Connection):
    """A connection to a disk with so many pages of room, for all that are made."""

    room = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement, with the room that there is now."""
        if sql.startswith("BEGIN"):
            super().execute(f"PRAGMA max_page_count = {Bounded.room}")
        return super().execute(sql, parameters)


async def disk_full(folder: Path, versions: Sequence[Contents]) -> Troubled:
    """A disk that is full again and again; each time somebody then frees a page."""
    clock, said, refusals = ManualClock(START), list[int](), Counter[str]()
    Bounded.room = PATIENCE
    store = SqliteStore(folder / "db", clock=clock, entropy=chance(), connect=_connects(Bounded))
    Bounded.room = _pages(folder / "db")

    def freed(error: ParcaeError) -> None:
        refusals[_words(error)] += 1
        Bounded.room += 1

    try:
        await play(store, clock, said.append, PATIENCE, freed)
        Bounded.room = PATIENCE
        return Troubled(refusals.total(), refusals, await _whole(store, clock, versions))
    finally:
        await store.close()


def _pages(file: Path) -> int:
    """What the empty tables take."""
    with closing(sqlite3.connect(file)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return int(pages)


def _connects(kind: type[sqlite3.Connection]) -> Callable[[str], sqlite3.Connection]:
    return lambda path: sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, factory=kind
    )


def _words(error: ParcaeError) -> str:
    """An error without the path that it begins with."""
    return f"{type(error).__name__}: {str(error).split(': ', 1)[-1]}"


async def _whole(
    store: SqliteStore, clock: ManualClock, versions: Sequence[Contents]
) -> Sequence[str]:
    lost = [] if await contents(store) == versions[-1] else ["it does not hold what it should"]
    return [*lost, *await recover(store, clock)]


async def torn_tail(
    folder: Path, versions: Sequence[Contents], *, cuts: int, seed: int
) -> Troubled:
    """A log that ends anywhere, with or without rubbish behind it: what was torn off is gone."""
    drawn, clock, ends = random.Random(seed), ManualClock(START), [0]
    store = SqliteStore(folder / "db", clock=clock, entropy=chance(), connect=_unmoved)
    log = folder / "db-wal"
    ends[0] = log.stat().st_size
    try:
        await play(store, clock, lambda _: ends.append(log.stat().st_size))
        database, whole = (folder / "db").read_bytes(), log.read_bytes()
    finally:
        await store.close()
    wrong = []
    for _ in range(cuts):
        end = drawn.randint(ends[0], len(whole))
        rubbish = drawn.randbytes(drawn.choice([0, 0, 100, 5_000]))
        image = folder / "image"
        image.mkdir()
        (image / "db").write_bytes(database)
        (image / "db-wal").write_bytes(whole[:end] + rubbish)
        least = sum(one <= end for one in ends) - 1
        wrong += [f"log cut at byte {end}: {why}" for why in await _held(image, least, versions)]
        shutil.rmtree(image)
    return Troubled(cuts, {}, wrong)


def _unmoved(path: str) -> sqlite3.Connection:
    """A connection that leaves the log as it is."""
    made = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    made.execute("PRAGMA wal_autocheckpoint = 0")
    return made


async def _held(image: Path, least: int, versions: Sequence[Contents]) -> Sequence[str]:
    clock, most = ManualClock(WAVES[-1].at), 0
    for wave in WAVES:
        most += len(wave.calls)
        if most >= least:
            break
    store = SqliteStore(image / "db", clock=clock, entropy=chance(), durability="normal")
    try:
        found = await contents(store)
        if found not in versions[least : most + 1]:
            return [f"it does not hold the {least} calls before the cut, and nothing else"]
        return await recover(store, clock)
    finally:
        await store.close()


HOLDER = """
import random, sqlite3, sys, time
drawn = random.Random(int(sys.argv[2]))
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.2)
print("up", flush=True)
while True:
    try:
        held.execute("BEGIN IMMEDIATE")
        time.sleep(drawn.uniform(0.02, 0.1))
        held.execute("ROLLBACK")
    except sqlite3.OperationalError:
        pass
    time.sleep(drawn.uniform(0, 0.01))
"""
"""Another process, which has the lock most of the time, until it is killed."""


async def storm(folder: Path, versions: Sequence[Contents], *, refusals: int) -> Troubled:
    """Three processes that hold the lock as long as they can, and a store that waits for little.

    They are killed, with the lock or without, when clients were refused so often.
    """
    clock, told = ManualClock(START), Counter[str]()
    store = SqliteStore(folder / "db", clock=clock, entropy=chance(), busy_timeout=0.01)
    holders = [_holder(folder / "db", seed) for seed in range(3)]

    def refused(error: ParcaeError) -> None:
        told[_words(error)] += 1
        if told.total() == refusals:
            _end(holders)

    try:
        await play(store, clock, lambda _: None, PATIENCE, refused)
        _end(holders)
        return Troubled(told.total(), told, await _whole(store, clock, versions))
    finally:
        _end(holders)
        await store.close()


def _holder(path: Path, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLDER, str(path), str(seed)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


def _end(holders: Sequence[subprocess.Popen[bytes]]) -> None:
    for one in holders:
        one.kill()
        one.wait()
        if one.stdout is not None:
            one.stdout.close()
