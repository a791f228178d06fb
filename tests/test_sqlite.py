"""What a transaction costs, and the two threads that share the file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae.admit import submit
from parcae.change import Change, View
from parcae.ports import Named
from parcae.values import Token
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.sqlite import SqliteStore, walks
from parcae_adapters.sqlite.statements import HELD, OVERDUE, PROMOTE, counted
from parcae_specs.drive import KIND, Driver, spec
from parcae_specs.fragile import Fragile, close, log_size, look, on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def fragile() -> type[Fragile]:
    return type("Fragile", (Fragile,), {"noted": []})


def plan(path: Path, statement: str, count: int) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",) * count).fetchall()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("index", [walks.BARE, walks.NAMED, walks.LANES])
def test_a_claim_walks_the_line_and_neither_scans_nor_sorts(path: Path, index: walks.Index) -> None:
    close(SqliteStore(path))
    statements = [walks.stream(index, narrowed) for narrowed in range(3)]
    statements += [walks.classes(index), walks.within(index, *index.prefix[1:])]
    for statement in statements:
        walked = plan(path, statement, statement.count("?"))
        assert f"SEARCH parcae_jobs USING INDEX {index.name} (queue=?" in walked
        assert "TEMP B-TREE" not in walked
        # What is walked through has been found already, one row for each step.
        assert "SCAN parcae_jobs" not in walked


def test_a_claim_finds_the_queues_and_kinds_without_reading_their_lines(path: Path) -> None:
    close(SqliteStore(path))
    for index in (walks.BARE, walks.NAMED):
        walked = plan(path, walks.pairs(index), 0)
        # Only its first row: the scan ends there.
        assert walked.count(f"SCAN parcae_jobs USING INDEX {index.name}") == 1
        assert f"USING INDEX {index.name} (queue=? AND kind>?)" in walked
        assert f"USING INDEX {index.name} (queue>?)" in walked
        assert "TEMP B-TREE" not in walked


def test_what_is_held_and_what_is_due_is_found_by_an_index(path: Path) -> None:
    close(SqliteStore(path))
    held = plan(path, HELD, 2)
    assert held.startswith("SEARCH parcae_jobs USING INDEX parcae_holders")
    due = plan(path, OVERDUE, 2)
    assert due.startswith("SEARCH parcae_jobs USING COVERING INDEX parcae_reminders")
    promoted = plan(path, PROMOTE, 1)
    assert promoted.startswith("SEARCH parcae_jobs USING")
    assert "INDEX parcae_later (offer_at<?)" in promoted
    slots = plan(path, counted(2), 2)
    assert "COVERING INDEX parcae_holders" in slots
    assert "TEMP B-TREE" not in held + due


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
        await driver.store.transact(Named(), lambda view: submit(view, big, data))
        ((state,),) = look(path, "SELECT length(state) FROM parcae_jobs")
        assert state < 400
        ((first,),) = look(path, "SELECT length(data) FROM parcae_events WHERE position = 1")
        assert first < 1_000

    on(SqliteStore(path), scenario)
