"""Jobs that are submitted inside a host application's own transaction."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from parcae import Cause, Context, Engine, Jobs
from parcae import commands as c
from parcae.errors import Reason, Rejected
from parcae.ports import Named, Query
from parcae.spec import Unique
from parcae.state import Ended
from parcae.values import MAX_BLOB, JobId, Status, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore, Unusable, submit_within
from parcae_specs.drive import WORKER, Driver
from parcae_specs.fragile import close, look, on

jobs = Jobs()
PROCESSES = multiprocessing.get_context("spawn")


@jobs.job("mail", queue="mails")
async def mail(_: Context, to: str = "") -> None: ...


@jobs.job("once", unique=Unique())
async def once(_: Context) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "host.db"
    close(SqliteStore(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    return path


@pytest.fixture
def host(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection


async def admitted(driver: Driver) -> list[JobId]:
    """The jobs there are, once somebody has transacted."""
    await driver.store.transact(Named(), lambda _: ())
    return sorted(one.job.id for one in (await driver.store.find(Query(limit=1_000))).jobs)


def found(path: Path) -> list[JobId]:
    """The same, by a store of its own; and nothing is wrong with the file."""
    ids: list[JobId] = []

    async def scenario(driver: Driver) -> None:
        ids.extend(await admitted(driver))
        assert await driver.store.audit() == ()

    on(SqliteStore(path), scenario)
    return ids


def test_what_the_host_commits_is_admitted_as_it_was_asked_for(
    path: Path, host: sqlite3.Connection
) -> None:
    with host:
        host.execute("INSERT INTO orders VALUES (1)")
        job = submit_within(host, mail(to="a"), key="tenant", priority=3)

    async def scenario(driver: Driver) -> None:
        assert await admitted(driver) == [job]
        stored = await driver.store.fetch(job)
        assert stored is not None
        spec = stored.job.spec
        assert (spec.kind, spec.lane.queue, spec.lane.key) == ("mail", "mails", "tenant")
        assert spec.priority == 3
        assert spec.seed != 0
        assert stored.job.status is Status.SCHEDULED
        assert (await driver.store.blobs(job, ["payload"]))["payload"] == mail(to="a").payload

    on(SqliteStore(path), scenario)
    assert look(path, "SELECT count(*) FROM parcae_inbox") == [(0,)]


def test_what_the_host_rolls_back_has_never_been(path: Path, host: sqlite3.Connection) -> None:
    with contextlib.suppress(ZeroDivisionError), host:
        submit_within(host, mail(), idempotency_key="k")
        raise ZeroDivisionError
    assert found(path) == []
    assert look(path, "SELECT count(*) FROM parcae_keys") == [(0,)]


def test_a_connection_that_begins_by_itself_needs_no_statement_before(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as host:
        job = submit_within(host, mail())
        assert host.in_transaction
        host.commit()
    assert found(path) == [job]


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_a_connection_in_autocommit_mode_needs_an_open_transaction(path: Path, begin: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as host:
        with pytest.raises(ValueError, match="open transaction"):
            submit_within(host, mail())
        host.execute(begin)
        job = submit_within(host, mail())
        host.execute("COMMIT")
    assert found(path) == [job]


def test_a_connection_with_rows_of_its_own_kind_will_do(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as host:
        host.row_factory = lambda cursor, row: dict(zip(cursor.description, row, strict=True))
        with host:
            jobs_of_one_key = {submit_within(host, mail(), idempotency_key="k") for _ in range(2)}
    assert found(path) == list(jobs_of_one_key)


class Pooled:
    """What a pool of connections lends: everything is passed on, nothing is inherited."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_what_stands_for_a_connection_will_do(path: Path, host: sqlite3.Connection) -> None:
    lent: Any = Pooled(host)
    job = submit_within(lent, mail())
    host.commit()
    assert found(path) == [job]


def test_a_file_without_tables_is_refused_in_words(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as host:
        with pytest.raises(Unusable, match="open its file once with SqliteStore"):
            submit_within(host, mail())
        assert not host.execute("SELECT 1 FROM sqlite_master").fetchall()


def test_a_uniqueness_constraint_is_refused_in_words(host: sqlite3.Connection) -> None:
    with pytest.raises(Rejected, match="uniqueness constraint") as refusal:
        submit_within(host, once())
    assert refusal.value.reason is Reason.BAD_INPUT
    assert not host.in_transaction


def test_a_payload_that_is_too_large_is_refused(host: sqlite3.Connection) -> None:
    with pytest.raises(Rejected, match="at most"):
        submit_within(host, mail(to="x" * MAX_BLOB))


def test_a_key_gives_the_same_job_again_and_another_body_is_refused(
    path: Path, host: sqlite3.Connection
) -> None:
    with host:
        first = submit_within(host, mail(to="a"), idempotency_key="k")
        assert submit_within(host, mail(to="a"), idempotency_key="k") == first
    assert look(path, "SELECT count(*) FROM parcae_inbox") == [(1,)]

    async def scenario(driver: Driver) -> None:
        engine = Engine(driver.store)
        handle = await engine.submit(mail(to="a"), idempotency_key="k")
        assert handle.job_id == first
        assert handle.admitted.duplicate
        assert not handle.admitted.deleted
        with pytest.raises(Rejected):
            await engine.submit(mail(to="b"), idempotency_key="k")
        assert await admitted(driver) == [first]

    on(SqliteStore(path), scenario)
    with host:
        assert submit_within(host, mail(to="a"), idempotency_key="k") == first
        with pytest.raises(Rejected) as refusal:
            submit_within(host, mail(to="b"), idempotency_key="k")
        assert refusal.value.reason is Reason.KEY_REUSED
    assert found(path) == [first]


def test_a_key_of_the_engine_holds_for_the_host(path: Path, host: sqlite3.Connection) -> None:
    ids: list[JobId] = []

    async def scenario(driver: Driver) -> None:
        ids.append((await Engine(driver.store).submit(mail(), idempotency_key="k")).job_id)

    on(SqliteStore(path), scenario)
    with host:
        assert submit_within(host, mail(), idempotency_key="k") == ids[0]
    assert found(path) == ids


def test_a_key_that_has_expired_is_free_again(path: Path, host: sqlite3.Connection) -> None:
    clock = ManualClock()
    with host:
        first = submit_within(host, mail(), idempotency_key="k", key_ttl=seconds(5), clock=clock)
        clock.advance(seconds(5))
        second = submit_within(host, mail(to="b"), idempotency_key="k", clock=clock)
    assert first != second
    assert found(path) == sorted((first, second))


def test_more_than_one_transaction_admits_are_found_by_name_at_once(
    path: Path, host: sqlite3.Connection
) -> None:
    with host:
        many = [submit_within(host, mail(to=str(index))) for index in range(250)]
        keyed = submit_within(host, mail(), idempotency_key="k")

    async def scenario(driver: Driver) -> None:
        view = await driver.shown(Named(ids=(many[-1],)))
        assert list(view.jobs) == [many[-1]]
        assert look(path, "SELECT count(*) FROM parcae_inbox") == [(150,)]
        handle = await Engine(driver.store).submit(mail(), idempotency_key="k")
        assert (handle.job_id, handle.admitted.deleted) == (keyed, False)
        for _ in range(3):
            await admitted(driver)
        assert await admitted(driver) == sorted((*many, keyed))
        assert await driver.store.audit() == ()

    on(SqliteStore(path), scenario)


def test_a_deadline_that_nothing_could_meet_is_refused(host: sqlite3.Connection) -> None:
    clock = ManualClock()
    for later in (seconds(0), seconds(60)):
        now = clock.now()
        with pytest.raises(Rejected, match="expected a deadline later than its start") as refused:
            submit_within(host, mail(), run_at=now + later, deadline=now + later, clock=clock)
        assert refused.value.reason is Reason.BAD_INPUT


def test_a_deadline_that_passes_in_the_inbox_ends_the_job_and_does_not_lose_it(
    path: Path, host: sqlite3.Connection
) -> None:
    """L1: the host was promised a job that ends, and a name to ask for it."""
    clock = ManualClock()
    name = submit_within(host, mail(), deadline=clock.now() + seconds(60), clock=clock)
    host.commit()
    clock.advance(seconds(61))

    async def scenario(driver: Driver) -> None:
        await driver.reconcile()
        job = await Engine(driver.store).show(name)
        assert isinstance(job.state, Ended)
        assert (job.state.status, job.state.cause) == (Status.FAILED, Cause.DEADLINE)
        assert await driver.store.audit() == ()

    on(SqliteStore(path, clock=clock), scenario)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE parcae_inbox SET spec = x'00'",
        "UPDATE parcae_inbox SET payload = x'00'",
        "UPDATE parcae_inbox SET id = (SELECT id FROM parcae_jobs)",
        "UPDATE parcae_inbox SET id = (SELECT stream FROM parcae_events WHERE tag = 'deleted')",
    ],
)
def test_what_cannot_be_admitted_is_set_aside_and_blocks_nobody(
    path: Path, host: sqlite3.Connection, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def before(driver: Driver) -> None:
        gone = await driver.finished()
        await driver.tell(gone, c.Delete())
        await driver.submit()

    on(SqliteStore(path), before)
    with host:
        submit_within(host, mail())
        host.execute(damage)
        good = submit_within(host, mail())

    async def scenario(driver: Driver) -> None:
        there = await admitted(driver)
        assert good in there
        assert len(there) == 2
        assert await admitted(driver) == there
        (fault,) = await driver.store.audit()
        assert "set aside in the inbox" in fault

    on(SqliteStore(path), scenario)
    assert "is set aside" in caplog.text


def test_workers_of_a_store_that_is_open_notice_the_commit(path: Path) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit()
        mark = driver.store.mark()

        def commit() -> JobId:
            with contextlib.closing(sqlite3.connect(path)) as host, host:
                return submit_within(host, mail())

        job = await asyncio.to_thread(commit)
        await asyncio.wait_for(driver.store.wait(mark), 10)
        granted = await Engine(driver.store).claim(WORKER, frozenset({"mail"}), request="r")
        assert [one.job.id for one in granted] == [job]

    on(SqliteStore(path), scenario)


def host_process(path: str, ready: Event, go: Event, how: str) -> None:
    """A host application: it is told when to go on, and how it ends."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO orders VALUES (1)")
    submit_within(connection, mail(), idempotency_key="k")
    if how == "commit":
        connection.commit()
    if how == "roll back":
        connection.rollback()
    ready.set()
    go.wait(60)
    if how == "late":
        connection.commit()
    connection.close()


@pytest.mark.parametrize(("how", "jobs_there"), [("die", 0), ("commit", 1), ("roll back", 0)])
def test_a_host_that_is_killed_has_submitted_what_it_had_committed(
    path: Path, how: str, jobs_there: int
) -> None:
    ready, go = PROCESSES.Event(), PROCESSES.Event()
    process = PROCESSES.Process(target=host_process, args=(str(path), ready, go, how))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(found(path)) == jobs_there
    assert look(path, "SELECT count(*) FROM orders") == [(jobs_there,)]


def test_a_host_that_holds_its_transaction_open_keeps_nobody_from_reading(path: Path) -> None:
    """Others write once it is done: SQLite has one writer at a time, whoever it is."""
    ready, go = PROCESSES.Event(), PROCESSES.Event()

    async def scenario(driver: Driver) -> None:
        known = await driver.submit()
        process = PROCESSES.Process(target=host_process, args=(str(path), ready, go, "late"))
        process.start()
        assert await asyncio.to_thread(ready.wait, 60)
        waiting = asyncio.create_task(driver.submit())
        began = time.monotonic()
        while time.monotonic() - began < 2:
            assert await asyncio.wait_for(driver.store.fetch(known), 5) is not None
            await asyncio.sleep(0.05)
        assert not waiting.done()
        go.set()
        other = await asyncio.wait_for(waiting, 20)
        await asyncio.to_thread(process.join)
        there = await admitted(driver)
        assert len(there) == 3
        assert {known, other} < set(there)

    on(SqliteStore(path, busy_timeout=30), scenario)
