"""What becomes of callers when SQLite refuses: each has an answer of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from parcae import commands as c
from parcae.admit import submit
from parcae.errors import Corrupt, Unavailable
from parcae.ports import Named
from parcae.values import Version
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import Driver, spec
from parcae_specs.fragile import Fragile, close, failure, look, on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def fragile() -> type[Fragile]:
    return type("Fragile", (Fragile,), {"noted": []})


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
            driver.store.transact(Named(), lambda view: submit(view, spec(), big)) for _ in range(3)
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
