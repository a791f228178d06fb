"""Schedules at work: workers, processes, the command line, and tests of an application."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, Jobs, Query, Status, fsck
from parcae.ports import Store
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Schedule, schedule_stream
from parcae.values import Instant, hours, minutes
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.verbs import worker as worker_verb
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.cron import CronCalendar
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_adapters.worker import Worker

T = TypeVar("T")
DONE = frozenset({Status.COMPLETED})
ROOT = Path(__file__).parents[1]

jobs = Jobs()


@jobs.job("report")
def report(ctx: Context, of: str = "") -> str:  # noqa: ARG001
    return of


def play(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scene)


async def until(holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(0.05)


async def ticks(store: Store) -> list[Instant]:
    page = await store.find(Query(limit=1_000))
    return sorted(one.job.spec.run_at for one in page.jobs if one.job.spec.run_at is not None)


def test_given_a_worker_with_a_calendar_then_it_sees_to_schedules() -> None:
    async def scene() -> None:
        clock = ManualClock()
        engine = Engine(MemoryStore(clock=clock))
        await SchedulerEngine(engine.store, CronCalendar()).schedule("s", report(), "* * * * *")
        clock.advance(minutes(1))

        async def done() -> bool:
            return bool(await engine.store.count(Query(statuses=DONE)))

        async with Worker(engine, jobs, calendar=CronCalendar()):
            await until(done)
        assert await ticks(engine.store) == [EPOCH + minutes(1)]

    play(scene())


class Nowhere(CronCalendar):
    """A host without time zones."""

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        self.check(cron, "Mars/Olympus")
        return super().upto(cron, zone, instant)


def test_given_a_zone_that_is_not_there_when_a_worker_looks_then_it_says_so_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        clock = ManualClock()
        engine = Engine(MemoryStore(clock=clock))
        await SchedulerEngine(engine.store, CronCalendar()).schedule("s", report(), "* * * * *")
        clock.advance(minutes(1))

        async def done() -> bool:
            return "schedule s gets no jobs from here" in caplog.text

        async with Worker(engine, jobs, calendar=Nowhere()):
            await until(done)

    play(scene())


def test_given_a_test_of_an_application_then_ticks_come_in_virtual_time_as_far_as_asked() -> None:
    async def scene() -> None:
        clock, calendar = ManualClock(), CronCalendar()
        engine = Engine(MemoryStore(clock=clock))
        await SchedulerEngine(engine.store, calendar).schedule("s", report(), "0 */6 * * *")
        assert await run_until_idle(engine, jobs) == 0
        assert await run_until_idle(engine, jobs, calendar=calendar) == 0
        assert clock.now() == EPOCH
        day = EPOCH + hours(24)
        assert await run_until_idle(engine, jobs, calendar=calendar, until=day) == 4
        assert clock.now() == day
        assert await ticks(engine.store) == [EPOCH + hours(6 * number) for number in (1, 2, 3, 4)]
        with pytest.raises(TypeError, match="expected a calendar"):
            await run_until_idle(engine, jobs, until=day)

    play(scene())


RUSH = """
import asyncio, sys
from datetime import datetime, timedelta
from parcae.scheduler_engine import SchedulerEngine
from parcae_adapters.clock import ManualClock
from parcae_adapters.cron import CronCalendar
from parcae_adapters.sqlite import SqliteStore

async def main():
    clock = ManualClock(datetime.fromisoformat(sys.argv[2]))
    store = SqliteStore(sys.argv[1], clock=clock, durability="normal")
    scheduler = SchedulerEngine(store, CronCalendar())
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(40):
        clock.advance(timedelta(seconds=30))
        await scheduler.fire()
    await store.close()

asyncio.run(main())
"""


def test_s17_given_processes_that_race_for_ticks_then_each_tick_has_one_job(tmp_path: Path) -> None:
    database = tmp_path / "jobs.db"

    async def prepare() -> None:
        store = SqliteStore(database, clock=ManualClock())
        await SchedulerEngine(store, CronCalendar()).schedule(
            "s", report(), "* * * * *", missed="all", at_most=100
        )
        await store.close()

    play(prepare())
    command = [sys.executable, "-c", RUSH, str(database), EPOCH.isoformat()]
    folders = {"PYTHONPATH": f"{ROOT / 'kernel'}:{ROOT / 'adapters'}"}
    racers = [
        subprocess.Popen(
            command, env=folders, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.communicate("go\n", timeout=60)
        assert racer.returncode == 0

    async def look() -> None:
        store = SqliteStore(database)
        assert await ticks(store) == [EPOCH + minutes(number) for number in range(1, 21)]
        schedule = await store.aggregate(schedule_stream("s"))
        assert isinstance(schedule, Schedule)
        assert (schedule.fired, schedule.last_at) == (20, EPOCH + minutes(20))
        assert (await fsck(store)).findings == ()
        await store.close()

    play(look())


class Desk:
    """A database, and what is typed about its schedules."""

    target = "an_application:jobs"

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        typed = ["schedule", *args, "--db", str(self.database)]
        result = CliRunner().invoke(parcae, typed)
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def json(self, *args: str) -> Any:
        result = self(*args, "--json")
        assert result.exit_code == Exit.OK, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    application = ModuleType("an_application")
    application.jobs = jobs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "an_application", application)
    return Desk(tmp_path / "jobs.db")


def test_given_a_schedule_that_is_typed_then_it_is_set_listed_paused_resumed_and_removed(
    desk: Desk,
) -> None:
    typed = ("set", "nightly", desk.target, "report", "of=sales", "--cron", "30 2 * * *")
    done = desk(*typed, "--zone", "Europe/Berlin", "--by", "ops")
    assert done.stdout.startswith("Schedule nightly: report at '30 2 * * *' in Europe/Berlin; ")
    (listed,) = desk.json("list")["schedules"]
    assert listed["name"] == "nightly"
    assert json.loads(listed["payload"]) == {"of": "sales"}
    assert (listed["missed"], listed["jobs"], listed["version"]) == ("once", 0, 1)
    assert datetime.fromisoformat(listed["next_at"]).minute == 30
    desk(*typed, "--zone", "Europe/Berlin")
    assert desk.json("list")["schedules"] == [listed]
    assert desk.json("pause", "nightly")["next_at"] is None
    assert "paused" in desk("list").stdout
    assert desk.json("resume", "nightly")["next_at"] == listed["next_at"]
    assert "is removed" in desk("remove", "nightly").stdout
    assert desk("list").stderr.startswith("There is no schedule")
    told = desk("history", "nightly").stdout
    assert [word in told for word in ("ops set it", "paused it", "resumed it", "removed it")] == (
        [True] * 4
    )
    assert [one["event"]["type"] for one in desk.json("history", "nightly")["history"]] == [
        "schedule-set",
        "schedule-paused",
        "schedule-resumed",
        "schedule-removed",
    ]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (("--missed", "skip", "--grace", "5m"), "missed ticks get no job, 5m late"),
        (("--missed", "all", "--at-most", "3"), "a job each, 3 at the most"),
        ((), "one job in all"),
    ],
)
def test_given_a_policy_that_is_typed_then_it_is_told(
    desk: Desk, policy: tuple[str, ...], says: str
) -> None:
    typed = ("set", "s", desk.target, "report", "--cron", "* * * * *", *policy)
    assert says in desk(*typed).stdout
    line = json.loads(desk("list", "--jsonl").stdout)
    assert (line["name"], line["zone"], line["queue"]) == ("s", "UTC", "default")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("set", "s", "TARGET", "report", "--cron", "daily"), Exit.USAGE, "five fields"),
        (("set", "s", "TARGET", "nothing", "--cron", "* * * * *"), Exit.USAGE, "no definition"),
        (
            ("set", "s", "TARGET", "report", "--cron", "* * * * *", "--zone", "Mars"),
            Exit.USAGE,
            "time zone",
        ),
        (("set", "", "TARGET", "report", "--cron", "* * * * *"), Exit.USAGE, "for name"),
        (("pause", "s"), Exit.NOT_FOUND, "parcae schedule list"),
        (("history", "s"), Exit.NOT_FOUND, "parcae schedule list"),
    ],
)
def test_given_what_cannot_be_done_then_it_says_so_in_one_line(
    desk: Desk, args: tuple[str, ...], code: Exit, says: str
) -> None:
    desk("set", "other", desk.target, "report", "--cron", "0 0 1 1 *")
    result = desk(*(desk.target if word == "TARGET" else word for word in args))
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_given_a_worker_that_is_started_then_it_sees_to_schedules(
    desk: Desk, tmp_path: Path
) -> None:
    """A schedule of every minute is made due by hand, so that nobody waits for the minute."""
    (tmp_path / "shop.py").write_text(
        "from parcae import Jobs\njobs = Jobs()\n\n"
        "@jobs.job('report')\ndef report(ctx, of: str = ''):\n    return of\n"
    )

    async def prepare() -> None:
        past = ManualClock(datetime.now().astimezone() - minutes(90))
        store = SqliteStore(desk.database, clock=past)
        await SchedulerEngine(store, CronCalendar()).schedule("s", report(), "0 * * * *")
        await store.close()

    play(prepare())
    command = [sys.executable, "-m", "parcae_adapters.cli", "worker", "shop:jobs"]
    folders = {"PYTHONPATH": f"{ROOT / 'kernel'}:{ROOT / 'adapters'}:{tmp_path}"}
    with subprocess.Popen(
        [*command, "--db", str(desk.database)], env=folders, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            over = time.monotonic() + 30
            while desk.json("list")["schedules"][0]["jobs"] == 0 and time.monotonic() < over:
                time.sleep(0.2)
        finally:
            worker.terminate()
            _, errors = worker.communicate(timeout=30)
    assert "schedule s: 1 jobs" in errors


def test_given_no_cron_library_then_a_worker_leaves_schedules_alone_and_the_verb_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk("set", "s", desk.target, "report", "--cron", "0 0 1 1 *")
    monkeypatch.delitem(sys.modules, "parcae_adapters.cron")
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with caplog.at_level("INFO"):
        assert worker_verb.calendar() is None
    assert "pip install 'parcae[cron]'" in caplog.text
    listed = CliRunner().invoke(parcae, ["schedule", "list", "--db", str(desk.database)])
    assert listed.exit_code == Exit.INTERNAL
    assert listed.stderr == "parcae: cronsim is not installed; try: pip install 'parcae[cron]'\n"
