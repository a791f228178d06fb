"""What a claim takes, against the kernel's choice of everything; and what it does not read."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae.admission import Offered, Room, choose, due, offer, rate_keys
from parcae.change import View
from parcae.ports import Claimable, Named, Query
from parcae.queues import (
    Pause,
    Queue,
    QueueCommand,
    Rate,
    Resume,
    SetAging,
    SetLimit,
    SetRate,
    queue_stream,
)
from parcae.spec import PhaseSpec, Timing, UndoSpec
from parcae.values import Error, JobId, Lane, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore, lines
from parcae_specs.drive import WORKER, Driver, spec
from parcae_specs.fragile import on

QUEUES, KEYS, KINDS = ("a", "b", "c"), ("", "x", "y", "z"), ("one", "two", "noop")

Draw = random.Random


def command(draw: Draw) -> QueueCommand:
    key = draw.choice((None, *KEYS))
    each = key is None and draw.random() < 0.5
    bound = draw.choice((None, 1, 2, 4))
    rate = draw.choice((None, Rate(count=2, per=seconds(5), burst=draw.randint(1, 3))))
    return draw.choice(
        (
            SetLimit(limit=bound, key=key, each=each),
            SetLimit(limit=bound, key=key, each=each),
            SetRate(rate=rate, key=key, each=each),
            SetAging(aging=draw.choice((None, 1, 3))),
            Pause(),
            Resume(),
        )
    )


async def submit(driver: Driver, draw: Draw, clock: ManualClock) -> None:
    late = draw.random() < 0.3
    undoable = PhaseSpec(name="undoable", undo=UndoSpec())
    asked = replace(
        spec(kind=draw.choice(KINDS)),
        phases=(undoable, PhaseSpec(name="only")),
        lane=Lane(queue=draw.choice(QUEUES), key=draw.choice(KEYS)),
        priority=draw.randint(0, 2),
        run_at=clock.now() + seconds(draw.randint(1, 9)) if late else None,
        timing=Timing(stale_after=draw.choice((None, None, seconds(4)))),
    )
    await driver.submit(asked)


async def work(driver: Driver, draw: Draw) -> None:
    """Some jobs that are held end, fail, or go back with something to undo."""
    held = [one.job for one in (await driver.store.find(Query())).jobs if one.job.lease]
    for job in draw.sample(held, k=len(held) // 2):
        assert job.lease is not None
        token = job.lease.token
        if job.undos:
            await driver.tell(job.id, c.Release(token=token))
            continue
        await driver.tell(job.id, c.StartPhase(token=token, phase="undoable"))
        await driver.tell(job.id, c.CompletePhase(token=token, phase="undoable"))
        await driver.tell(job.id, c.StartPhase(token=token, phase="only"))
        if draw.random() < 0.5:
            wrong = Error(type="ValueError", permanent=True)
            await driver.tell(job.id, c.Fail(token=token, error=wrong))
        else:
            await driver.tell(job.id, c.CompletePhase(token=token, phase="only"))


async def expected(driver: Driver, wanted: Claimable) -> list[JobId]:
    """What the kernel chooses of all jobs there are."""
    store = driver.store
    found = [await store.aggregate(queue_stream(name)) for name in QUEUES]
    queues = {one.name: one for one in found if isinstance(one, Queue)}
    jobs = [one.job for one in (await store.find(Query(limit=1_000))).jobs]
    held = Counter(job.spec.lane for job in jobs if job.lease is not None)
    lanes = dict.fromkeys(job.spec.lane for job in jobs)
    keys = tuple(dict.fromkeys(key for lane in lanes for key in rate_keys(lane)))
    now = store.clock.now()
    view = await driver.shown(Named(keys=keys))
    offered: list[Offered] = []
    for job in jobs:
        queue = queues.get(job.spec.lane.queue)
        one, served = (
            offer(job, queue),
            wanted.queues is None or job.spec.lane.queue in wanted.queues,
        )
        if one and served and job.spec.kind in wanted.kinds and due(job, now, queue):
            offered.append((job.id, one))
    room = Room(now, queues, held, view.keys)
    return [name for name, _ in choose(offered, room, queues, wanted.limit)]


async def compared(driver: Driver, draw: Draw, request: str) -> int:
    wanted = Claimable(
        worker=WORKER,
        request=request,
        kinds=frozenset(draw.sample(KINDS, k=draw.randint(1, 3))),
        queues=draw.choice((None, frozenset(draw.sample(QUEUES, k=draw.randint(1, 3))))),
        limit=draw.choice((1, 2, 5, 50)),
    )
    # Of jobs whose patience has rested the stored offer may lag: those are looked at first.
    await driver.reconcile()
    should = await expected(driver, wanted)
    view: View = await driver.shown(wanted)
    assert list(view.jobs) == should
    return len(should)


@pytest.mark.parametrize("patience", [1, 3, 32])
@pytest.mark.parametrize("seed", range(6))
def test_a_claim_finds_what_the_kernel_would_choose_of_everything(
    tmp_path: Path, seed: int, patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PATIENCE", patience)
    clock, draw = ManualClock(), random.Random(seed)
    taken: list[int] = []

    async def scenario(driver: Driver) -> None:
        for turn in range(40):
            for _ in range(draw.randint(0, 5)):
                await submit(driver, draw, clock)
            if draw.random() < 0.4:
                await driver.set(draw.choice(QUEUES), command(draw))
            taken.append(await compared(driver, draw, f"look {turn}"))
            await driver.claim(f"r{turn}", limit=draw.randint(1, 4), queues=None)
            if draw.random() < 0.5:
                await work(driver, draw)
            clock.advance(seconds(draw.choice((0, 1, 2))))
        assert await driver.store.audit() == ()

    on(SqliteStore(tmp_path / "jobs.db", clock=clock), scenario)
    assert sum(taken) > 40


Row = Callable[[sqlite3.Cursor, tuple[object, ...]], object]


def test_a_claim_reads_no_row_that_stands_behind_a_full_key(tmp_path: Path) -> None:
    """Counted in rows that come out of the tables, whatever the clock says."""
    read: list[int] = []

    def connect(path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

        def count(_: sqlite3.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
            read.append(1)
            return row

        connection.row_factory = count
        return connection

    async def scenario(driver: Driver) -> None:
        await driver.set("a", SetLimit(limit=1, each=True))
        for index in range(200):
            key = "full" if index < 199 else "free"
            await driver.submit(replace(spec(), lane=Lane(queue="a", key=key)))
        (first,) = await driver.claim("first")
        assert first.job.spec.lane.key == "full"
        read.clear()
        (second,) = await driver.claim("second")
        assert second.job.spec.lane.key == "free"
        # As many as it is patient with, and a few that say which keys there are.
        assert len(read) < lines.PATIENCE + 30

    on(SqliteStore(tmp_path / "jobs.db", connect=connect), scenario)


def test_what_falls_due_gets_into_line_without_being_written_by_anybody_else(
    tmp_path: Path,
) -> None:
    clock = ManualClock()

    async def scenario(driver: Driver) -> None:
        asked = replace(spec(), run_at=clock.now() + seconds(5))
        late = await driver.submit(asked)
        assert await driver.claim("early") == []
        clock.advance(seconds(5))
        (granted,) = await driver.claim("late")
        assert granted.job.id == late

    on(SqliteStore(tmp_path / "jobs.db", clock=clock), scenario)
