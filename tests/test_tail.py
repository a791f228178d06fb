"""Reading along with the log: each event comes once, or its gap is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from attrs import Factory, define
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from parcae import commands as c
from parcae.change import AnyEvent
from parcae.errors import Corrupt
from parcae.filters import Filter
from parcae.ports import Recorded
from parcae.queues import Pause
from parcae.values import JobId, Position
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.tail import Behind, Ended, Tail
from parcae_adapters.http.told import Told
from parcae_adapters.memory import MemoryStore
from parcae_specs.drive import Driver, spec

TICK = timedelta(milliseconds=5)


@define
class Heard:
    """What one reader was told, over all its connections."""

    start: Position
    positions: list[Position] = Factory(list)
    gaps: list[tuple[int, int]] = Factory(list)

    def take(self, told: Sequence[Told]) -> None:
        for one in told:
            if one.about is None:
                data = json.loads(one.frame.split(b"data: ")[1])
                self.gaps.append((data["after"], data["position"]))
            else:
                self.positions.append(one.position)

    def misses(self, position: Position) -> bool:
        covered = any(after < position <= whole for after, whole in self.gaps)
        return position > self.start and position not in self.positions and not covered


async def _follow(tail: Tail, heard: Heard, slowness: int, over: asyncio.Event) -> None:
    """Like a client: read, come again after being cut off, until all is over and read."""
    position: Position | None = heard.start
    while True:
        async with tail.reader(position) as reader:
            try:
                while True:
                    told = await reader.more()
                    heard.take(told)
                    position = reader.position
                    for _ in range(slowness):
                        await asyncio.sleep(0)
                    done = over.is_set() and position >= (await tail.store.extent()).head
                    if done:
                        return
            except Behind:
                continue


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["submit", "note", "finish", "delete", "pause"]), st.integers(0, 4)),
    min_size=1,
    max_size=25,
)
READERS = st.lists(
    st.tuples(st.integers(0, 24), st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=4
)


@settings(max_examples=200, deadline=None)
@for_all(actions=ACTIONS, readers=READERS, window=st.integers(1, 6))
def test_s16_given_any_interleaving_when_readers_join_then_each_event_comes_once_or_its_gap_is_told(
    actions: list[tuple[str, int]], readers: list[tuple[int, int, int]], window: int
) -> None:
    """S16: a reader that joins from anywhere and is cut off at any time misses nothing unsaid."""
    asyncio.run(_interleaved(actions, readers, window))


async def _interleaved(
    actions: list[tuple[str, int]], readers: list[tuple[int, int, int]], window: int
) -> None:
    driver = Driver(MemoryStore(clock=ManualClock()))
    tail = Tail(driver.store, window=window, tick=TICK)
    every: set[Position] = set()
    over = asyncio.Event()
    heard: list[Heard] = []
    tasks: list[asyncio.Task[None]] = []
    for index, (action, yields) in enumerate(actions):
        for when, after, slowness in readers:
            if when == index:
                extent = await driver.store.extent()
                heard.append(Heard(Position(min(after, extent.head))))
                tasks.append(asyncio.create_task(_follow(tail, heard[-1], slowness, over)))
        every |= await _act(driver, action)
        for _ in range(yields):
            await asyncio.sleep(0)
    over.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    for one in heard:
        assert one.positions == sorted(set(one.positions)), "S16: out of order, or twice"
        assert [p for p in every if one.misses(p)] == [], "S16: lost without a word"
        if not any(action == "delete" for action, _ in actions):
            assert not one.gaps, "a gap was told where nothing was deleted"
    assert tail.readers == 0
    await driver.store.close()


async def _act(driver: Driver, action: str) -> set[Position]:
    """Do it; the positions that it made."""
    before = (await driver.store.extent()).head
    made: set[Position] = set()
    if action == "submit":
        await driver.submit()
    elif action == "pause":
        await driver.set("default", Pause(by="ops"))
    elif action == "note":
        await driver.tell(await driver.submit(), c.Annotate(by="", note=""))
    else:
        # Whoever was first in line is finished, and then deleted or not.
        job = await driver.submit()
        for granted in await driver.claim(request=job):
            await driver.work(granted)
            made |= {one.position for one in await driver.store.log(before)}
            if action == "delete":
                await driver.tell(granted.job.id, c.Delete())
    return made | {one.position for one in await driver.store.log(before)}


async def _read(tail: Tail, after: int | None, choice: Filter | None = None) -> list[Told]:
    """All there is after a position."""
    head = (await tail.store.extent()).head
    found: list[Told] = []
    async with tail.reader(None if after is None else Position(after), choice) as reader:
        while reader.position != head:
            found += await reader.more()
    return found


@pytest.fixture
def driver() -> Driver:
    return Driver(MemoryStore(clock=ManualClock()))


def test_given_a_filter_when_events_come_then_only_what_it_names_is_told(driver: Driver) -> None:
    async def play() -> None:
        mine, other = await driver.submit(), await driver.submit(spec(kind="other"))
        await driver.set("default", Pause())
        tail = Tail(driver.store)
        kinds = await _read(tail, 0, Filter(kinds=("other",)))
        assert {str(one.about.stream) for one in kinds if one.about} == {other}
        jobs = await _read(tail, 0, Filter(streams=(mine,), types=("scheduled",)))
        assert [str(one.about.stream) for one in jobs if one.about] == [mine]
        queues = await _read(tail, 0, Filter(queues=("default",)))
        assert len(queues) == 5

    asyncio.run(play())


def test_s16_given_a_position_past_the_head_when_somebody_comes_then_a_reset_says_so(
    driver: Driver,
) -> None:
    """S16: a store that was taken back to an earlier state never leaves a reader waiting."""

    async def play() -> None:
        await driver.submit()
        told = await _read(Tail(driver.store), 99)
        assert [(one.position, one.about) for one in told] == [(2, None)]

    asyncio.run(play())


def test_s16_given_deleted_jobs_when_somebody_comes_from_before_then_a_reset_comes_first(
    driver: Driver,
) -> None:
    """S16, S22: a position older than what was deleted gets a reset, never a silent gap."""

    async def play() -> None:
        job = await driver.finished()
        whole = (await driver.store.extent()).head
        await driver.tell(job, c.Delete())
        kept = await driver.submit()
        first, *rest = await _read(Tail(driver.store), 1)
        assert first.about is None
        assert first.position == whole
        assert [str(one.about.stream) for one in rest if one.about] == [job, kept, kept]
        rest = await _read(Tail(driver.store), whole)
        assert all(one.about is not None for one in rest), "it had read all that was deleted"

    asyncio.run(play())


class Damaged(MemoryStore):
    """One event of its log cannot be read."""

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        found = await super().log(after, limit)
        if any(one.position == 3 for one in found):
            raise Corrupt("damaged", position=3)
        return found


def test_s16_given_an_event_that_cannot_be_read_when_it_is_passed_over_then_a_reset_says_so() -> (
    None
):
    """S16: what cannot be told is a gap like any other."""

    async def play() -> None:
        driver = Driver(Damaged(clock=ManualClock()))
        for _ in range(3):
            await driver.submit()
        told = await _read(Tail(driver.store), 0)
        assert [one.position for one in told] == [1, 2, 3, 4, 5, 6]
        assert [one.about is None for one in told] == [False, False, True, False, False, False]

    asyncio.run(play())


def test_given_a_server_that_stops_when_readers_wait_then_they_end(driver: Driver) -> None:
    async def play() -> None:
        closing = asyncio.Event()
        tail = Tail(driver.store, closing=closing)

        async def read() -> None:
            async with tail.reader(None) as reader:
                while True:
                    await reader.more()

        tasks = [asyncio.create_task(read()) for _ in range(10)]
        await asyncio.sleep(0.01)
        closing.set()
        ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert [type(end) for end in ends] == [Ended] * 10
        assert tail.readers == 0

    asyncio.run(play())


def test_given_a_history_that_was_read_before_when_notes_follow_then_the_job_is_known_again(
    driver: Driver,
) -> None:
    async def play() -> None:
        job = await driver.finished()
        head = (await driver.store.extent()).head
        await driver.tell(JobId(job), c.Annotate(by="", note=""))
        (told,) = await _read(Tail(driver.store), head)
        assert told.about is not None
        assert told.about.queue == "default"
        assert b'"status":"completed"' in told.frame

    asyncio.run(play())
