"""The register of workers: who writes it, who is taken to be there, what is said of threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import Context, Engine, Jobs, Timing, Unavailable, seconds
from parcae.codec import decode_presence, encode_presence
from parcae.errors import Corrupt
from parcae.roster import roster
from parcae.values import Instant, WorkerId
from parcae.workers import (
    GONE_AFTER,
    KEPT,
    SKEW,
    Attendance,
    Presence,
    attendance,
    forgotten_before,
    present,
    takers,
    until,
)
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker
from parcae_adapters.worker.entry import BATCH, TIDY_EVERY, Entry, State

jobs = Jobs()
MOMENT = timedelta(microseconds=1)
gate = threading.Event()


@jobs.job("deaf", timing=Timing(lease=seconds(0.2), renewal=seconds(0.05)))
def deaf(ctx: Context) -> None:  # noqa: ARG001
    """Cannot be stopped."""
    gate.wait(20)


def there(name: str = "w", **more: object) -> Presence:
    """A worker that is there at the epoch."""
    said: dict[str, object] = {
        "id": name,
        "kinds": ("a",),
        "started_at": EPOCH,
        "heard_at": EPOCH,
        "until": until(EPOCH),
    }
    return Presence(**{**said, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("presence", "now", "expected"),
    [
        (there(), EPOCH, Attendance.PRESENT),
        (there(), EPOCH + GONE_AFTER - MOMENT, Attendance.PRESENT),
        (there(), EPOCH + GONE_AFTER, Attendance.SILENT),
        (there(draining=True), EPOCH, Attendance.DRAINING),
        (there(draining=True), EPOCH + GONE_AFTER, Attendance.SILENT),
        (there(capacity=2, abandoned=1), EPOCH, Attendance.PRESENT),
        (there(capacity=2, abandoned=2), EPOCH, Attendance.STUCK),
        (there(), EPOCH - SKEW, Attendance.PRESENT),
        (there(), EPOCH - SKEW - MOMENT, Attendance.UNKNOWN),
    ],
)
def test_given_what_a_worker_said_then_it_is_judged_by_the_instant(
    presence: Presence, now: Instant, expected: Attendance
) -> None:
    assert attendance(presence, now) is expected
    assert present([presence], now) == ((presence,) if expected is Attendance.PRESENT else ())


@for_all(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "q", "r"])), max_size=4),
    st.integers(-40, 40),
)
def test_given_any_register_then_only_those_take_a_job_that_are_there_and_can(
    workers: list[tuple[str, str | None]], second: int
) -> None:
    now = EPOCH + seconds(second)
    register = [
        there(f"w{index}", kinds=(kind,), queues=None if queue is None else (queue,))
        for index, (kind, queue) in enumerate(workers)
    ]
    able = {one.id for one in register if one.kinds == ("a",) and one.queues in (None, ("q",))}
    found = takers(register, "a", "q", now)
    if now < EPOCH - SKEW:
        assert found == (None if able else frozenset())
    else:
        assert found == (able if now < until(EPOCH) else frozenset())


def test_given_names_in_any_order_then_they_are_kept_sorted_and_bounds_are_refused() -> None:
    full = there(kinds=("b", "a", "b"), queues=("y", "x"), host="tower", pid=7, version="1")
    assert (full.kinds, full.queues) == (("a", "b"), ("x", "y"))
    assert decode_presence(encode_presence(full), worker=full.id) == full
    for wrong in ({"kinds": ("",)}, {"capacity": 0}, {"abandoned": -1}, {"queues": ("x" * 201,)}):
        with pytest.raises(ValueError, match="expected"):
            there(**wrong)
    with pytest.raises(ValueError, match="at most 10000 kinds"):
        there(kinds=tuple(map(str, range(10_001))))
    with pytest.raises(Corrupt, match="worker w: "):
        decode_presence(b"{}", worker=WorkerId("w"))
    assert forgotten_before(EPOCH) == EPOCH - KEPT


class Desk:
    """A registrar that notes what it is told, and refuses where it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.said: list[Presence] = []
        self.over = 0
        self.down = False

    async def enlist(self, presence: Presence) -> None:
        if self.down:
            raise Unavailable("locked")
        self.said.append(presence)

    async def dismiss(self, worker: WorkerId) -> None:
        self.said = [one for one in self.said if one.id != worker]

    async def tidy(self, limit: int = 1_000) -> int:
        deleted = min(self.over, limit)
        self.over -= deleted
        return deleted


def test_given_time_then_an_entry_is_written_now_and_then_and_at_once_when_it_changes() -> None:
    desk, state = Desk(), (False, 0)

    async def main() -> None:
        nonlocal state
        entry, now = Entry(desk, there(), lambda: state), 0.0

        async def after(span: float) -> int:
            nonlocal now
            now += span
            desk.clock.advance(seconds(span))
            await entry.tick(now)
            return len(desk.said)

        assert [await after(0.0), await after(9.9), await after(0.1)] == [1, 1, 2]
        assert desk.said[-1].heard_at == EPOCH + seconds(10)
        assert desk.said[-1].until == EPOCH + seconds(40)
        state = (True, 0)
        assert [await after(0.1), await after(0.1)] == [3, 3]
        assert desk.said[-1].draining
        # By the clock as it is now, so that nobody takes it for one that is heard of in future.
        desk.clock.set(EPOCH - seconds(60))
        assert [await after(0.1), await after(0.1)] == [4, 4]
        assert desk.said[-1].heard_at < EPOCH
        # What cannot be written down is tried again in its turn, and keeps nobody from working.
        desk.down = True
        assert [await after(10.0), await after(0.1)] == [4, 4]
        desk.down = False
        assert await after(10.0) == 5

    asyncio.run(main())


def test_given_keys_that_are_over_then_batch_follows_batch_until_there_are_none() -> None:
    desk = Desk()

    async def main() -> None:
        entry, left = Entry(desk, there(), lambda: (False, 0)), []
        desk.over = 2 * BATCH + 1
        for now in (0.0, 0.1, 0.2):
            await entry.tick(now)
            left.append(desk.over)
        assert left == [BATCH + 1, 1, 0]
        desk.over = 1
        await entry.tick(TIDY_EVERY)
        assert desk.over == 1
        await entry.tick(TIDY_EVERY + 0.2)
        assert desk.over == 0

    asyncio.run(main())


def test_given_handlers_that_do_not_stop_then_the_log_says_so_once_for_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    states: list[State] = [(False, 0), (False, 1), (False, 1), (False, 2), (False, 1)]

    async def main() -> None:
        entry = Entry(Desk(), there(capacity=2), lambda: states[0])
        while states:
            await entry.tick(0.0)
            states.pop(0)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [one.getMessage() for one in caplog.records] == [
        "worker w: 1 of its 2 places are kept by handlers that go on although their lease is gone",
        "worker w: 2 of its 2 places are kept by handlers that go on although their lease is gone"
        ": it takes no more jobs; restart it",
    ]


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the keeper works in a thread of its own
            await asyncio.sleep(0.01)


def test_given_a_worker_then_it_is_in_the_register_while_it_works_and_no_longer() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            async with Worker(engine, jobs, name="ida", concurrency=3, queues=["default"]):

                async def enlisted() -> bool:
                    return bool(await engine.store.workers())

                await until_true(enlisted)
                (one,) = await roster(engine.store)
                assert (one.worker, one.state, one.jobs) == ("ida", "idle", 0)
                said = one.presence
                assert said is not None
                assert (said.kinds, said.queues, said.capacity) == (("deaf",), ("default",), 3)
                assert said.pid > 0
                assert said.host
            assert await engine.store.workers() == ()

    asyncio.run(main())


def test_s4_given_threads_that_cannot_be_stopped_then_they_keep_their_places_and_are_counted() -> (
    None
):
    """S4: what they report changes nothing; and a worker full of them takes no more jobs."""

    async def main() -> None:
        gate.clear()
        async with Engine(MemoryStore()) as engine:
            lost = [(await engine.submit(deaf())).job_id for _ in range(2)]
            async with Worker(engine, jobs, name="ida", concurrency=2) as worker:

                async def begun() -> bool:
                    return worker.running == 2

                async def stuck() -> bool:
                    return [one.state for one in await roster(engine.store)] == ["stuck"]

                async def well() -> bool:
                    return [one.abandoned for one in await engine.store.workers()] == [0]

                await until_true(begun)
                for one in lost:
                    await engine.cancel(one, force=True)
                await until_true(stuck)
                assert worker.abandoned == 2
                waits = (await engine.submit(deaf())).job_id
                told = await engine.why(waits)
                assert "No living worker is known that runs kind deaf" in " ".join(told.waits)
                assert (await engine.show(waits)).starts == 0
                gate.set()
                await until_true(well)
                assert (await engine.wait(waits, seconds(10))).completed
                assert worker.abandoned == 0

    asyncio.run(main())
