"""What is SQLite's own: one file, its errors, its fences, and the two threads that use it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.change import Change, View
from parcae.errors import Conflict, Corrupt, Unavailable
from parcae.ports import Claimable, Named, Query, Store
from parcae.values import Status, Token, Version
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.sqlite import SqliteStore, Unusable, connect, filesystem, session, statements
from parcae_adapters.sqlite.schema import NAMES
from parcae_adapters.sqlite.statements import HELD, OVERDUE, claimable
from parcae_specs.drive import KIND, WORKER, Driver, spec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def on(store: SqliteStore, scenario: Callable[[Driver], Coroutine[Any, Any, None]]) -> None:
    """Run ``scenario`` on a store and close it."""

    async def whole() -> None:
        try:
            await scenario(Driver(store))
        finally:
            await store.close()

    asyncio.run(whole())


def close(store: Store) -> None:
    asyncio.run(store.close())


def look(path: Path, statement: str) -> list[Any]:
    """What another program sees in the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def log_size(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


class Fragile(sqlite3.Connection):
    """A connection that refuses what it is told to, before it is done or after."""

    refuse: Callable[[str], BaseException | None] = staticmethod(lambda _: None)
    refuse_after: Callable[[str], BaseException | None] = staticmethod(lambda _: None)
    noted: list[str]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        type(self).noted.append(sql)
        if (error := type(self).refuse(sql)) is not None:
            raise error
        cursor = super().execute(sql, parameters)
        if (error := type(self).refuse_after(sql)) is not None:
            raise error
        return cursor

    @classmethod
    def open(cls, path: str) -> sqlite3.Connection:
        options: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
        connection: sqlite3.Connection = sqlite3.connect(path, factory=cls, **options)
        return connection


@pytest.fixture
def fragile() -> type[Fragile]:
    return type("Fragile", (Fragile,), {"noted": []})


def failure(name: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = code
    return error


# -- the file --------------------------------------------------------------------------------


def test_jobs_are_there_when_the_file_is_opened_again(path: Path) -> None:
    """S27."""

    async def first(driver: Driver) -> None:
        await driver.finished()
        await driver.submit(key="k")

    async def second(driver: Driver) -> None:
        assert await driver.store.count(Query()) == {Status.SCHEDULED: 1, Status.COMPLETED: 1}
        await driver.submit(key="k")
        job = await driver.submit()
        stored = await driver.store.fetch(job)
        assert stored is not None
        assert stored.job.place == 3
        assert len(await driver.store.log()) == 10
        assert await driver.store.audit() == ()

    on(SqliteStore(path), first)
    on(SqliteStore(path), second)


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_the_synchronous_level_of_the_writer(
    path: Path, fragile: type[Fragile], durability: Any, level: int
) -> None:
    """S27."""
    opened: list[sqlite3.Connection] = []

    def connect_(name: str) -> sqlite3.Connection:
        opened.append(fragile.open(name))
        return opened[-1]

    store = SqliteStore(path, durability=durability, connect=connect_)
    writer = opened[0]
    assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    close(store)


def test_arguments_that_are_not_lawful_are_named(path: Path) -> None:
    with pytest.raises(ValueError, match="'off'"):
        SqliteStore(path, durability="off")  # type: ignore[arg-type]
    for name in (":memory:", "", "file:jobs.db?mode=ro"):
        with pytest.raises(ValueError, match="path of a file"):
            SqliteStore(name)


def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    close(SqliteStore(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('parcae', '9999_from_the_future', '')"
        )
        connection.commit()
    with pytest.raises(Unusable, match=r"newer version .*9999_from_the_future.*upgrade"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(Unusable, match="not an SQLite database"):
        SqliteStore(path)
    assert path.read_bytes() == b"Dear diary, " * 100


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="is its folder there"):
        SqliteStore(tmp_path / "missing" / "jobs.db")


def test_a_file_that_may_not_be_written_is_refused(path: Path) -> None:
    close(SqliteStore(path))

    def read_only(name: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{name}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    store = SqliteStore(path, connect=read_only)

    async def scenario(driver: Driver) -> None:
        with pytest.raises(Unusable, match="read-only"):
            await driver.submit()

    on(store, scenario)


def test_another_program_may_have_tables_of_its_own_in_the_file(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (mine)")
        connection.commit()

    async def scenario(driver: Driver) -> None:
        await driver.finished()
        assert await driver.store.audit() == ()

    on(SqliteStore(path), scenario)
    assert look(path, "SELECT * FROM jobs") == []


def test_the_migrations_that_are_known_are_those_that_are_applied(path: Path) -> None:
    close(SqliteStore(path))
    applied = look(path, "SELECT name FROM _sqlite_migrations WHERE migration_set = 'parcae'")
    assert {name for (name,) in applied} == NAMES


# -- network file systems --------------------------------------------------------------------

MOUNTS = b"""\
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /mnt/share nfs4 rw,vers=4.2 0 0
//server/files /mnt/my\\040files cifs rw 0 0
/dev/sdb1 /mnt/share/local xfs rw 0 0
host:/home /over sshfs rw 0 0
/dev/sdc1 /over ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep/down", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/my files/x", "cifs"),
        ("/mnt/share/local/x", None),
        ("/over", None),
    ],
)
def test_a_folder_is_on_the_file_system_that_is_mounted_nearest(
    tmp_path: Path, folder: str, kind: str | None
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_bytes(MOUNTS)
    assert filesystem.network_filesystem(Path(folder), mounts) == kind


def test_without_a_table_of_mounts_nobody_can_tell(tmp_path: Path) -> None:
    assert filesystem.network_filesystem(tmp_path, tmp_path / "none") is None


def test_a_file_on_a_network_file_system_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "network_filesystem", lambda _: "nfs4")
    with pytest.raises(Unusable, match=r"network file system \(nfs4\).*local disk"):
        SqliteStore(path)
    assert not path.exists()


# -- when SQLite refuses ---------------------------------------------------------------------


def test_when_the_disk_is_full_the_callers_are_told_and_service_resumes(
    path: Path, fragile: type[Fragile]
) -> None:
    opened: list[sqlite3.Connection] = []

    def connect_(name: str) -> sqlite3.Connection:
        opened.append(fragile.open(name))
        return opened[-1]

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        (pages,) = opened[0].execute("PRAGMA page_count").fetchone()
        opened[0].execute(f"PRAGMA max_page_count = {pages}")
        before = await driver.store.log()
        big = b"x" * 100_000
        many = [driver.tell(job, c.Annotate(by="", note="small"))]
        many += [
            driver.store.transact(Named(), lambda view: [rules.submit(view, spec(), big)])
            for _ in range(3)
        ]
        done = await asyncio.gather(*many, return_exceptions=True)
        assert sum(isinstance(one, Unavailable) for one in done) == 3
        assert "disk is full" in str(done[1])
        # The one that fits was run by itself, and had its own answer.
        assert len(await driver.store.log()) == len(before) + 1
        opened[0].execute("PRAGMA max_page_count = 100000")
        await driver.submit()
        assert await driver.store.audit() == ()

    on(SqliteStore(path, connect=connect_), scenario)


def test_when_a_write_fails_everybody_gets_an_answer_of_its_own(
    path: Path, fragile: type[Fragile]
) -> None:
    """One poisoned transaction of a group fails; the others are run singly, and succeed."""
    real = fragile.executemany

    def executemany(self: sqlite3.Connection, sql: str, rows: Any, /) -> sqlite3.Cursor:
        many = list(rows)
        if "INSERT INTO parcae_events" in sql and any(b"poison" in row[4] for row in many):
            raise failure("disk I/O error", sqlite3.SQLITE_IOERR)
        return real(self, sql, many)

    async def scenario(driver: Driver) -> None:
        jobs = [await driver.submit() for _ in range(5)]
        done = await asyncio.gather(
            *(
                driver.tell(job, c.Annotate(by="", note="poison" if i == 2 else "fine"))
                for i, job in enumerate(jobs)
            ),
            return_exceptions=True,
        )
        assert [isinstance(one, Unavailable) for one in done] == [False, False, True, False, False]
        assert [len(await driver.store.history(job)) for job in jobs] == [3, 3, 2, 3, 3]
        assert await driver.store.audit() == ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragile, "executemany", executemany)
        on(SqliteStore(path, connect=fragile.open), scenario)


@pytest.mark.parametrize("happened", [True, False])
def test_when_a_commit_is_not_acknowledged_its_outcome_is_unknown_and_repeating_is_safe(
    path: Path, fragile: type[Fragile], happened: bool
) -> None:
    """S23, S25."""
    once = [failure("disk I/O error", sqlite3.SQLITE_IOERR)]

    def refuse(sql: str) -> BaseException | None:
        return once.pop() if sql == "COMMIT" and once and armed else None

    armed: list[bool] = []
    if happened:
        fragile.refuse_after = staticmethod(refuse)
    else:
        fragile.refuse = staticmethod(refuse)

    async def scenario(driver: Driver) -> None:
        await driver.submit()
        (granted,) = await driver.claim()
        start = c.StartPhase(token=granted.lease.token, phase="only")
        armed.append(True)
        with pytest.raises(Unavailable, match="unknown"):
            await driver.tell(granted.job.id, start)
        assert len(await driver.store.history(granted.job.id)) == 3 + happened
        await driver.tell(granted.job.id, start)
        assert len(await driver.store.history(granted.job.id)) == 4
        assert await driver.store.audit() == ()

    on(SqliteStore(path, connect=fragile.open), scenario)


def test_when_the_file_stays_locked_the_callers_are_told_and_service_resumes(path: Path) -> None:
    async def scenario(driver: Driver) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            done = await asyncio.gather(
                *(driver.submit() for _ in range(5)), return_exceptions=True
            )
            assert [type(one) for one in done] == [Unavailable] * 5
            assert "locked" in str(done[0])
            other.execute("ROLLBACK")
        await driver.submit()

    on(SqliteStore(path, busy_timeout=0.1), scenario)


def test_when_a_look_for_commits_fails_the_next_ones_still_notice_them(
    path: Path, fragile: type[Fragile]
) -> None:
    async def scenario(driver: Driver) -> None:
        other = Driver(SqliteStore(path))
        broken = [failure("disk I/O error", sqlite3.SQLITE_IOERR)]
        fragile.refuse = staticmethod(
            lambda sql: broken.pop() if "data_version" in sql and broken else None
        )
        mark = driver.store.mark()
        while broken:  # noqa: ASYNC110 - until it has failed
            await asyncio.sleep(0)
        await other.submit()
        assert await driver.store.wait(mark) > mark
        await other.store.close()

    on(SqliteStore(path, connect=fragile.open), scenario)


def test_switching_to_the_log_is_tried_again_while_others_are_in_the_way(
    path: Path, fragile: type[Fragile]
) -> None:
    busy = [failure("database is locked", sqlite3.SQLITE_BUSY) for _ in range(3)]
    fragile.refuse = staticmethod(
        lambda sql: busy.pop() if "journal_mode" in sql and busy else None
    )
    close(SqliteStore(path, connect=fragile.open))
    assert not busy


def test_a_damaged_record_is_named_with_its_job_and_position(path: Path) -> None:
    async def first(driver: Driver) -> None:
        await driver.finished()

    on(SqliteStore(path), first)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE parcae_events SET data = x'7B' WHERE position IN (1, 4)")
        connection.commit()

    async def scenario(driver: Driver) -> None:
        ((job,),) = look(path, "SELECT id FROM parcae_jobs")
        with pytest.raises(Corrupt) as caught:
            await driver.store.history(job, Version(3))
        assert (caught.value.job_id, caught.value.position) == (job, 4)
        for asked in (driver.store.fetch(job), driver.tell(job, c.Annotate(by="", note=""))):
            with pytest.raises(Corrupt) as caught:
                await asked
            assert (caught.value.job_id, caught.value.position) == (job, 1)
        assert len(await driver.store.audit()) == 1

    on(SqliteStore(path), scenario)


# -- fences in SQL ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE parcae_jobs SET status = 'failed'",
        "UPDATE parcae_jobs SET cause = 'poison'",
        "UPDATE parcae_jobs SET ended_at = NULL",
        "INSERT INTO parcae_events SELECT 7, id, 7, 'started', x'' FROM parcae_jobs",
        "INSERT INTO parcae_events SELECT 7, id, 7, 'failed', x'' FROM parcae_jobs",
        "INSERT INTO parcae_events SELECT 7, id, 6, 'annotated', x'' FROM parcae_jobs",
    ],
)
def test_whoever_writes_to_the_file_cannot_change_how_a_job_ended(
    path: Path, statement: str
) -> None:
    """S1: outcome columns, no event after the last, (job, version) unique."""

    async def scenario(driver: Driver) -> None:
        await driver.finished()

    on(SqliteStore(path), scenario)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        after = "INSERT INTO parcae_events SELECT 7, id, 7, 'annotated', x'' FROM parcae_jobs"
        connection.execute(after)


def test_a_change_behind_the_back_of_the_writer_conflicts(path: Path) -> None:
    """The statement itself names the version that was read."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "encode_job", lambda _: b"{}")
            patch.setattr(statements, "UPDATE_STATE", statements.UPDATE_STATE + " + 1")
            with pytest.raises(Conflict):
                await driver.tell(job, c.Annotate(by="", note=""))
        await driver.tell(job, c.Annotate(by="", note=""))
        assert len(await driver.store.history(job)) == 3

    on(SqliteStore(path), scenario)


AUDITED = {
    "UPDATE parcae_jobs SET offer_at = offer_at + 1": "column offer_at",
    "UPDATE parcae_jobs SET queue = 'mail'": "column queue",
    "UPDATE parcae_jobs SET version = 1": "version",
    "DELETE FROM parcae_jobs": "events without a job",
    "DELETE FROM parcae_events WHERE position = 2": "number of its events",
    "DELETE FROM parcae_events WHERE position = 1": "no first event",
    "INSERT INTO parcae_blobs VALUES ('x', 'y', x'00')": "blobs without a job",
    "UPDATE parcae_counters SET value = 1": "counts as free",
    "UPDATE parcae_jobs SET state = x'00'": "damaged",
    "INSERT INTO parcae_events SELECT 9, job_id, 9, 'deleted', x'' FROM parcae_events LIMIT 1": (
        "before it was deleted"
    ),
}


@pytest.mark.parametrize("damage", AUDITED)
def test_the_audit_finds_what_does_not_fit_together(path: Path, damage: str) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit()
        assert await driver.store.audit() == ()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(damage)
            connection.commit()
        found = await driver.store.audit()
        assert any(AUDITED[damage] in one for one in found), found

    on(SqliteStore(path), scenario)


# -- plans and costs -------------------------------------------------------------------------


def plan(path: Path, statement: str, count: int) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",) * count).fetchall()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("queues", [None, frozenset({"a", "b"})])
def test_a_claim_walks_the_line_and_neither_scans_nor_sorts(
    path: Path, queues: frozenset[str] | None
) -> None:
    close(SqliteStore(path))
    kinds = frozenset({"a", "b"})
    wanted = Claimable(worker=WORKER, request="r", kinds=kinds, queues=queues)
    statement, parameters = claimable(wanted, 0)
    walked = plan(path, statement, len(parameters))
    assert walked == "SCAN parcae_jobs USING INDEX parcae_offers"
    assert plan(path, HELD, 2).startswith("SEARCH parcae_jobs USING INDEX parcae_holders")
    due = plan(path, OVERDUE, 2)
    assert due.startswith("SEARCH parcae_jobs USING COVERING INDEX parcae_reminders")
    assert "TEMP B-TREE" not in walked + due


def test_every_statement_of_the_hot_path_finds_its_rows_by_an_index(
    path: Path, fragile: type[Fragile]
) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        await driver.submit(key="k")
        await driver.reconcile()
        await driver.tell(job, c.Delete())
        await driver.store.next_due()
        await driver.store.fetch(job)
        await driver.store.history(job)

    on(SqliteStore(path, connect=fragile.open), scenario)
    shown = [sql for sql in dict.fromkeys(fragile.noted) if "parcae_" in sql and "?" in sql]
    assert len(shown) > 6
    for sql in shown:
        steps = plan(path, sql, sql.count("?")).splitlines()
        assert not [one for one in steps if one.startswith("SCAN") and "INDEX" not in one], sql


def test_an_idle_transaction_writes_nothing(path: Path) -> None:
    """Requirement 9: no growth of the log, no sync."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        before = log_size(path), look(path, "PRAGMA data_version")
        for _ in range(20):
            await driver.tell(job, c.Cancel())
            await driver.claim()
            await driver.reconcile()
        assert (log_size(path), look(path, "PRAGMA data_version")) == before

    on(SqliteStore(path), scenario)


def test_concurrent_transactions_share_a_commit(path: Path, fragile: type[Fragile]) -> None:
    async def scenario(driver: Driver) -> None:
        gate = threading.Event()

        def hold(_: View) -> Sequence[Change]:
            gate.wait(10)
            return ()

        holding = asyncio.create_task(driver.store.transact(Named(), hold))
        many = [asyncio.create_task(driver.submit()) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        fragile.noted.clear()
        gate.set()
        await asyncio.gather(holding, *many)
        assert fragile.noted.count("COMMIT") <= 3

    on(SqliteStore(path, connect=fragile.open), scenario)


def test_a_slow_listing_does_not_delay_commits(path: Path) -> None:
    async def scenario(driver: Driver) -> None:
        store = driver.store
        assert isinstance(store, SqliteStore)
        gate = threading.Event()
        listing = asyncio.ensure_future(store._reader.put(lambda _: gate.wait(10)))
        await driver.submit()
        assert not listing.done()
        gate.set()
        assert await listing

    on(SqliteStore(path), scenario)


def test_a_claim_computes_its_lease_from_an_instant_inside_the_transaction(
    path: Path, fragile: type[Fragile]
) -> None:
    """A lease computed before a wait for the lock would be born expired (S21)."""
    clock = ManualClock()

    async def scenario(driver: Driver) -> None:
        await driver.submit()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            fragile.noted.clear()
            claim = asyncio.create_task(driver.claim())
            while "BEGIN IMMEDIATE" not in fragile.noted:  # noqa: ASYNC110 - until it waits
                await asyncio.sleep(0)
            clock.advance(timedelta(hours=1))
            other.execute("ROLLBACK")
        (granted,) = await claim
        assert granted.expires_at == EPOCH + timedelta(hours=1, seconds=30)

    on(SqliteStore(path, clock=clock, connect=fragile.open), scenario)


def test_rows_that_another_process_changed_are_read_again(path: Path) -> None:
    async def scenario(driver: Driver) -> None:
        other = Driver(SqliteStore(path))
        job = await driver.submit()
        await driver.claim()
        for turn in range(3):
            for one in (driver, other):
                await one.tell(job, c.Annotate(by="", note=str(turn)))
                await one.tell(job, c.Renew(token=Token(1)))
        assert len(await driver.store.history(job)) == 9
        assert await driver.store.fetch(job) == await other.store.fetch(job)
        await other.store.close()

    on(SqliteStore(path), scenario)


def test_whoever_forgets_to_close_leaves_no_threads(path: Path) -> None:
    store = SqliteStore(path)
    writer, reader = store._writer, store._reader
    del store
    writer.join()
    reader.join()


def test_what_was_asked_before_the_close_is_answered(path: Path) -> None:
    async def scenario(driver: Driver) -> None:
        many = [asyncio.create_task(driver.submit()) for _ in range(50)]
        await asyncio.sleep(0)
        await driver.store.close()
        assert len(set(await asyncio.gather(*many))) == 50

    on(SqliteStore(path), scenario)


def test_a_job_takes_little_room(path: Path) -> None:
    """No row holds the payload, and the spec is kept once."""

    async def scenario(driver: Driver) -> None:
        data = json.dumps("x" * 50_000).encode()
        big = replace(spec(), kind=KIND)
        await driver.store.transact(Named(), lambda view: [rules.submit(view, big, data)])
        ((state,),) = look(path, "SELECT length(state) FROM parcae_jobs")
        assert state < 400
        ((first,),) = look(path, "SELECT length(data) FROM parcae_events WHERE position = 1")
        assert first < 1_000

    on(SqliteStore(path), scenario)
