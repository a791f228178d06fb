"""``reconcile`` and ``doctor``: what is overdue or stuck is told, and settled only when asked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, Graph, Jobs, OnLost, Retry, Timing, seconds
from parcae.checkup import Checkup, checkup
from parcae.reconcile_engine import ReconcileEngine, Round, until_settled
from parcae.values import JobId, StreamId, WorkerId, hours, minutes
from parcae.workers import Presence, until
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.sqlite.health import health
from parcae_adapters.sqlite.locks import LOCKS, stuck_lock

ROOT = Path(__file__).resolve().parent.parent
GONE = WorkerId("gone")

jobs = Jobs()
SHORT = Timing(lease=seconds(0.05), renewal=seconds(0.01))


@jobs.job("brief", timing=SHORT, retry=Retry(max_attempts=3, backoff=seconds(0)))
def brief(ctx: Context) -> None:
    """Loses its lease at once."""


@jobs.job("final", timing=SHORT, on_lost=OnLost(action="fail"))
def final(ctx: Context) -> None:
    """Loses its lease at once, and ends by that."""


class Shop:
    """A database, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(self.database, durability="normal")
            async with Engine(store) as engine:
                return await use(engine)

        return asyncio.run(main())

    def lose(self) -> tuple[JobId, JobId]:
        """Two jobs whose worker is gone; the second one ends by that."""

        async def lose(engine: Engine) -> tuple[JobId, JobId]:
            ids = [(await engine.submit(one())).job_id for one in (brief, final)]
            await engine.claim(GONE, jobs.kinds, request="1", limit=9)
            await asyncio.sleep(0.1)
            return ids[0], ids[1]

        found: tuple[JobId, JobId] = self.engine(lose)
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "jobs.db")


def test_given_what_is_overdue_when_rehearsed_then_all_is_told_and_nothing_changes(
    shop: Shop,
) -> None:
    again, ended = shop.lose()
    before = shop.json("list")
    found = shop.json("reconcile", "--dry-run")
    assert shop.json("list") == before
    assert found["dry_run"] is True
    told = {one["id"]: one for one in found["settled"]}
    assert told.keys() == {again, ended}
    assert (told[again]["before"], told[again]["after"]) == ("running", "scheduled")
    assert (told[ended]["before"], told[ended]["after"]) == ("running", "failed")
    assert {one["cause"] for one in told.values()} == {"lease lost"}
    assert {one["due"] for one in told.values()} == {"lease"}
    assert {one["worker"] for one in told.values()} == {GONE}
    assert all(one["heard_at"] and one["due_at"] and one["says"] for one in told.values())
    table = shop("reconcile", "--dry-run")
    assert "running" in table.stdout
    assert table.stderr == "2 would change; nothing was changed.\n"


def test_given_what_was_rehearsed_when_reconciled_then_just_that_happens_and_once(
    shop: Shop,
) -> None:
    again, ended = shop.lose()

    def gist(found: Any) -> list[tuple[str, str, str, str]]:
        return [(one["id"], one["before"], one["after"], one["cause"]) for one in found["settled"]]

    rehearsed = gist(shop.json("reconcile", "--dry-run"))
    result = shop("reconcile", "--json")
    assert result.exit_code == Exit.OK
    assert gist(json.loads(result.stdout)) == rehearsed
    assert shop("wait", ended).exit_code == Exit.JOB_LOST
    assert shop.json("reconcile")["settled"] == []
    assert shop("reconcile").stderr == "Nothing is overdue.\n"
    assert shop.json("show", again)["losses"] == 1


def test_given_a_limit_when_reconciled_then_no_more_are_settled(shop: Shop) -> None:
    shop.lose()
    first = shop("reconcile", "--limit", "1", "--jsonl")
    assert len(first.stdout.splitlines()) == 1
    assert len(shop.json("reconcile", "--batch", "1")["settled"]) == 1


def test_given_a_rehearsal_in_a_loop_then_it_is_wrong_usage(shop: Shop) -> None:
    shop.lose()
    assert shop("reconcile", "--dry-run", "--loop").exit_code == Exit.USAGE


def test_given_no_database_then_neither_verb_makes_one(shop: Shop) -> None:
    assert shop("reconcile").exit_code == Exit.NOT_FOUND
    assert shop("doctor").exit_code == Exit.NOT_FOUND
    assert not shop.database.exists()


@contextmanager
def started(*args: object) -> Iterator[subprocess.Popen[str]]:
    roots = os.pathsep.join(str(ROOT / root) for root in ("kernel", "adapters"))
    with subprocess.Popen(
        [sys.executable, "-m", "parcae_adapters.cli", *map(str, args)],
        env={**os.environ, "PYTHONPATH": roots},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_given_a_loop_when_a_lease_runs_out_then_it_is_settled_and_sigterm_ends_it(
    shop: Shop,
) -> None:
    shop.engine(lambda engine: engine.find(_everything()))
    with started("reconcile", "--loop", "50ms", "--jsonl", "--db", shop.database) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "Reconciling every" in process.stderr.readline()
        shop.lose()
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {one["after"] for one in lines} == {"scheduled", "failed"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _everything() -> Any:
    from parcae import Query

    return Query()


def test_given_several_reconcilers_at_once_then_each_job_is_settled_once(shop: Shop) -> None:
    async def race(engine: Engine) -> list[Round]:
        for _ in range(20):
            await engine.submit(final())
        await engine.claim(GONE, jobs.kinds, request="1", limit=20)
        await asyncio.sleep(0.1)
        rounds: list[Round] = []
        reconcilers = [ReconcileEngine(engine.store) for _ in range(4)]
        await asyncio.gather(*(until_settled(r, None, 3, rounds.append) for r in reconcilers))
        return rounds

    settled = [one.stream for found in shop.engine(race) for one in found.settled]
    assert len(settled) == 20
    assert len(set(settled)) == 20


def test_given_a_dependent_and_a_group_then_what_becomes_of_them_is_told_too() -> None:
    async def play() -> None:
        clock = ManualClock()
        async with Engine(MemoryStore(clock=clock)) as engine:
            graph = Graph()
            parent = graph.add(final())
            graph.add(brief(), after=[parent])
            handle = await engine.submit_graph(graph)
            await engine.claim(GONE, frozenset({"final"}), request="1")
            clock.advance(seconds(1))
            reconciler = ReconcileEngine(engine.store)
            found = await reconciler.preview()
            after = {one.stream: (one.before, one.after) for one in found.settled}
            first, second = handle.jobs
            assert after[StreamId(first)] == ("running", "failed")
            assert after[StreamId(second)] == ("pending", "cancelled")
            assert StreamId(handle.group_id) in after
            assert (await engine.show(first)).status == "running"
            await reconciler.settle()
            assert (await engine.show(second)).status == "cancelled"

    asyncio.run(play())


def test_given_a_fresh_database_then_the_doctor_finds_nothing(shop: Shop) -> None:
    shop.engine(lambda engine: engine.submit(brief()))
    result = shop("doctor")
    assert result.exit_code == Exit.OK
    assert "Nothing is wrong." in result.stdout
    document = shop.json("doctor")
    assert document["healthy"] is True
    assert document["findings"] == document["workers"] == []
    assert document["file"]["journal"] == "wal"
    assert document["file"]["bytes"] > 0


def test_given_a_damaged_file_then_the_doctor_says_so_without_opening_it(shop: Shop) -> None:
    shop.engine(lambda engine: engine.submit(brief()))
    data = bytearray(shop.database.read_bytes())
    data[4096 * 2 : 4096 * 6] = b"\xff" * (4096 * 4)
    shop.database.write_bytes(data)
    result = shop("doctor")
    assert result.exit_code == Exit.UNHEALTHY
    assert "damaged" in result.stdout
    assert "restore the latest backup" in result.stdout


def test_given_a_file_that_is_not_ours_then_the_doctor_does_not_say_what_it_has_not_seen(
    shop: Shop,
) -> None:
    shop.database.touch()
    result = shop("doctor")
    assert result.exit_code == Exit.UNHEALTHY
    assert "tables    not looked at" in result.stdout
    assert "is this the right file?" in result.stdout
    assert shop.json("doctor")["file"]["migrated"] == []
    assert shop.database.stat().st_size == 0


@pytest.mark.parametrize("verb", ["doctor", "list", "fsck", "metrics"])
def test_given_a_damaged_table_of_contents_then_every_verb_says_that_the_file_is_damaged(
    shop: Shop, verb: str
) -> None:
    """Of such a file SQLite tells in a message that is no text, which the driver fails on."""
    shop.engine(lambda engine: engine.submit(brief()))
    with sqlite3.connect(shop.database) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = CAST(x'4352454154' || x'ba' || sql AS TEXT) "
            "WHERE name = 'parcae_events'"
        )
    connection.close()
    result = shop(verb)
    assert result.exit_code == Exit.UNHEALTHY
    assert "damaged" in result.stdout + result.stderr


def test_given_a_file_of_a_newer_version_then_the_doctor_says_what_helps(shop: Shop) -> None:
    shop.engine(lambda engine: engine.submit(brief()))
    with sqlite3.connect(shop.database) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('parcae', '9999_new')"
        )
    connection.close()
    document = shop.json("doctor")
    assert [one["rule"] for one in document["findings"]] == ["schema"]
    assert document["workers"] is None


def test_given_a_clock_that_was_set_back_then_the_doctor_says_by_how_much(shop: Shop) -> None:
    async def ahead(_: Engine) -> None:
        clock = ManualClock(datetime.now(UTC) + hours(3))
        async with Engine(SqliteStore(shop.database, clock=clock)) as engine:
            await engine.submit(brief())

    shop.engine(ahead)
    result = shop("doctor")
    assert result.exit_code == Exit.UNHEALTHY
    assert "the clock was set back" in result.stdout
    assert "3h" in result.stdout


def test_given_what_a_host_submitted_and_cannot_be_admitted_then_the_doctor_names_it(
    shop: Shop,
) -> None:
    shop.engine(lambda engine: engine.submit(brief()))
    with sqlite3.connect(shop.database) as connection:
        connection.execute("INSERT INTO parcae_inbox VALUES ('a-job', x'00', x'00', 'unreadable')")
    connection.close()
    (found,) = shop.json("doctor")["findings"]
    assert found["rule"] == "inbox"
    assert "a-job" in found["message"]


def test_given_tables_of_an_older_version_then_health_says_what_is_to_come(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (a)").connection.close()
    found = health(tmp_path / "empty.db")
    assert found.missing
    assert found.newest is None


def examined(use: Callable[[Engine, ManualClock], Coroutine[Any, Any, None]]) -> Checkup:
    async def main() -> Checkup:
        clock = ManualClock()
        async with Engine(MemoryStore(clock=clock)) as engine:
            await use(engine, clock)
            return await checkup(engine.store)

    return asyncio.run(main())


def rules(found: Checkup) -> list[str]:
    return [one.rule for one in found.findings]


def test_given_leases_that_ran_out_then_the_checkup_names_the_silent_worker() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        await engine.claim(GONE, jobs.kinds, request="1")
        clock.advance(seconds(30))

    found = examined(use)
    assert rules(found) == ["overdue", "silent"]
    assert found.findings[0].command == "parcae reconcile"
    (crew,) = found.workers
    assert (crew.worker, crew.jobs, crew.silent) == (GONE, 1, True)
    assert not found.healthy


def test_given_a_kind_that_nobody_serves_then_the_checkup_names_it() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        await engine.submit(brief())
        clock.advance(minutes(5))

    found = examined(use)
    assert rules(found) == ["unserved"]
    assert "2 jobs of kind brief" in found.findings[0].message


def presence(clock: ManualClock, name: str, *kinds: str, **more: Any) -> Presence:
    """A worker that says now that it is there."""
    now = clock.now()
    return Presence(
        id=WorkerId(name), kinds=kinds, started_at=now, heard_at=now, until=until(now), **more
    )


def test_given_an_idle_worker_then_it_is_known_whether_somebody_serves_a_kind() -> None:
    """Before the register, one that is idle could not be told from none."""

    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        clock.advance(minutes(5))
        await engine.enlist(presence(clock, "ida", "brief"))

    found = examined(use)
    assert found.healthy
    assert [(one.worker, one.state, one.jobs) for one in found.workers] == [("ida", "idle", 0)]

    async def other(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        clock.advance(minutes(5))
        await engine.enlist(presence(clock, "ida", "other"))

    found = examined(other)
    assert rules(found) == ["unserved"]
    assert "no worker is known to be there that would take them" in found.findings[0].message
    assert found.findings[0].message.endswith(": 1 worker can run other")


def test_given_a_worker_whose_leases_ran_out_then_what_it_said_before_is_not_believed() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        for name in ("gone", "slow"):
            await engine.enlist(presence(clock, name, "brief"))
            await engine.submit(brief())
            await engine.claim(WorkerId(name), jobs.kinds, request=name)
        clock.advance(seconds(5))
        await engine.enlist(presence(clock, "slow", "brief"))

    found = examined(use)
    assert {one.worker: one.state for one in found.workers} == {"gone": "silent", "slow": "busy"}
    assert rules(found) == ["silent"]


def test_given_workers_of_every_kind_then_the_checkup_says_how_each_is() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.enlist(presence(clock, "gone"))
        clock.advance(minutes(1))
        await engine.enlist(presence(clock, "busy", "brief"))
        await engine.enlist(presence(clock, "draining", draining=True))
        await engine.enlist(presence(clock, "half", capacity=2, abandoned=1))
        await engine.enlist(presence(clock, "stuck", capacity=2, abandoned=2, pid=7))
        clock.advance(minutes(20))
        await engine.enlist(presence(clock, "ahead"))
        clock.advance(-minutes(20))
        await engine.submit(brief())
        await engine.claim(WorkerId("busy"), jobs.kinds, request="1")

    found = examined(use)
    assert {one.worker: one.state for one in found.workers} == {
        "ahead": "unknown",
        "busy": "busy",
        "draining": "draining",
        "gone": "silent",
        "half": "idle",
        "stuck": "stuck",
    }
    said = {(one.rule, one.unhealthy): one for one in found.findings}
    assert said.keys() == {
        ("abandoned", False),
        ("abandoned", True),
        ("silent", False),
        ("clock", True),
    }
    assert "2 of the 2 places of worker stuck" in said["abandoned", True].message
    assert "takes no more jobs" in said["abandoned", True].message
    assert "kill -TERM 7" in said["abandoned", True].command
    silent = "1 worker gone without a farewell, the last heard of 60s ago: gone"
    assert said["silent", False].message == silent
    assert "20m in the future" in said["clock", True].message


def test_given_workers_then_they_are_listed(shop: Shop) -> None:
    async def enlist(engine: Engine) -> None:
        now = engine.store.clock.now()
        for name, queues in (("ida", None), ("bob", ("mail",))):
            await engine.enlist(
                Presence(
                    id=WorkerId(name),
                    kinds=("brief", "long"),
                    queues=queues,
                    capacity=4,
                    abandoned=1,
                    started_at=now - minutes(5),
                    heard_at=now,
                    until=until(now),
                    version="1.2",
                )
            )

    shop.engine(lambda engine: engine.submit(brief()))
    assert "No worker is there." in shop("workers").stderr
    shop.engine(enlist)
    shown = shop("workers").stdout.splitlines()
    assert shown[0].split() == "WORKER STATE JOBS STUCK HEARD OF SINCE VERSION RUNS".split()
    assert "bob" in shown[1]
    assert shown[1].endswith("1.2      brief and long (only from mail)")
    assert "0 of 4" in shown[2]
    told = shop.json("workers")["workers"]
    assert [(one["worker"], one["state"], one["abandoned"]) for one in told] == [
        ("bob", "idle", 1),
        ("ida", "idle", 1),
    ]
    assert told[0]["queues"] == ["mail"]
    assert told[1]["queues"] is None
    assert "2 idle" in shop("doctor").stdout


def test_given_a_database_that_is_locked_then_the_doctor_says_at_once_by_whom(shop: Shop) -> None:
    """Who looks waits for nobody's lock, and all the rest is still told."""
    shop.engine(lambda engine: engine.submit(brief()))
    with locked(shop.database) as pid:
        begun = time.monotonic()
        result = shop("doctor", "--json")
        took = time.monotonic() - begun
    assert result.exit_code == Exit.UNHEALTHY
    document = json.loads(result.stdout)
    (found,) = [one for one in document["findings"] if one["rule"] == "locked"]
    assert "keeps the database locked" in found["message"]
    if LOCKS.exists():
        assert f"process {pid} (" in found["message"]
        assert found["command"].endswith(f"-p {pid}")
    else:
        assert found["command"].startswith("fuser")
    assert document["workers"] == []
    # Far below the ten seconds for which whoever writes would wait.
    assert took < 8
    assert stuck_lock(shop.database) is None


def test_given_somebody_who_writes_again_and_again_then_nothing_is_stuck(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    asyncio.run(SqliteStore(path).close())
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    found: list[object] = []
    looking = threading.Thread(target=lambda: found.append(stuck_lock(path, 60)))
    looking.start()
    other.execute("INSERT INTO parcae_counters VALUES ('other', 1)")
    other.execute("COMMIT")
    looking.join(30)
    other.close()
    assert found == [None]


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Another process writes, and does not come to an end; its number."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as locker:
        assert locker.stdout is not None
        assert locker.stdout.readline() == "locked\n"
        yield locker.pid
        locker.communicate("\n")


def test_given_a_paused_queue_with_jobs_then_that_is_told_and_may_be_wanted() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        await engine.pause("default")
        clock.advance(minutes(5))

    found = examined(use)
    assert rules(found) == ["paused"]
    assert found.findings[0].command == "parcae queue resume default"
    assert found.healthy


def test_given_a_quarantined_job_then_it_is_told_until_somebody_takes_it_up() -> None:
    held = Jobs()

    @held.job("poison", retry=Retry(max_attempts=9), timing=SHORT)
    def poison(ctx: Context) -> None:
        """Kills its worker every time."""

    async def use(engine: Engine, clock: ManualClock) -> None:
        job_id = (await engine.submit(poison())).job_id
        for number in range(9):
            await engine.claim(GONE, held.kinds, request=str(number))
            clock.advance(minutes(2))
            await engine.reconcile()
        assert (await engine.show(job_id)).status == "quarantined"
        if take_up:
            await engine.retry(job_id, idempotency_key="once")

    take_up = False
    assert rules(examined(use)) == ["quarantined"]
    take_up = True
    assert rules(examined(use)) == []


def test_given_a_job_that_waits_for_one_that_has_ended_then_the_checkup_says_so() -> None:
    class Forgetful(MemoryStore):
        """Says of every job but one that waits that it has ended."""

        async def fetch(self, job_id: JobId) -> Any:
            stored = await super().fetch(job_id)
            if stored is None or stored.job.status == "pending":
                return stored
            return None

    async def main() -> Checkup:
        async with Engine(Forgetful(clock=ManualClock())) as engine:
            parent = await engine.submit(brief())
            await engine.submit(brief(), after=[parent.job_id])
            return await checkup(engine.store)

    found = asyncio.run(main())
    assert rules(found) == ["orphan"]
    assert "is not there" in found.findings[0].message
    assert found.findings[0].command.startswith("parcae cancel ")


def test_given_a_worker_heard_of_in_the_future_then_a_clock_is_off() -> None:
    async def use(engine: Engine, clock: ManualClock) -> None:
        await engine.submit(brief())
        await engine.claim(GONE, jobs.kinds, request="1")
        clock.set(clock.now() - timedelta(minutes=5))

    assert rules(examined(use)) == ["clock"]
