"""The second fence, in SQL, and the audit behind both."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae.errors import Conflict
from parcae.ports import CASCADE
from parcae.queues import SetLimit
from parcae.spec import Dependency
from parcae_adapters.sqlite import SqliteStore, pending, statements
from parcae_specs.drive import Driver, spec
from parcae_specs.fragile import on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


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
            patch.setattr(pending, "encode_job", lambda _: b"{}")
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
    "INSERT INTO parcae_events SELECT 9, stream, 9, 'deleted', x'' FROM parcae_events LIMIT 1": (
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


BENEATH = {
    "UPDATE parcae_aggregates SET version = 7": "number of its events",
    "UPDATE parcae_aggregates SET state = x'00'": "damaged",
    "DELETE FROM parcae_aggregates": "events without a row",
    "UPDATE parcae_aggregates SET remind_at = 1": "for nothing",
    "DELETE FROM parcae_edges": "its wait for",
    "UPDATE parcae_edges SET settled = 1": "its wait for",
    "INSERT INTO parcae_edges VALUES ('x', 'y', 0)": "waits for others by the index",
    "UPDATE parcae_jobs SET ready = NULL": "neither in line nor for later",
    "UPDATE parcae_jobs SET grp = 'group/x', member = 1": "column grp",
}


@pytest.mark.parametrize("statement", BENEATH)
def test_what_is_wrong_with_queues_and_edges_is_found(path: Path, statement: str) -> None:

    async def scenario(driver: Driver) -> None:
        await driver.set("default", SetLimit(limit=3))
        parent = await driver.submit()
        child = replace(spec(), dependencies=(Dependency(parent=parent),))
        await driver.submit(child)
        assert await driver.store.audit() == ()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
        faults = await driver.store.audit()
        assert any(BENEATH[statement] in fault for fault in faults), faults

    on(SqliteStore(path), scenario)


def test_an_ended_job_that_others_wait_for_is_looked_at_again(path: Path) -> None:

    async def scenario(driver: Driver) -> None:
        parent = await driver.submit()
        for _ in range(CASCADE + 1):
            await driver.submit(replace(spec(), dependencies=(Dependency(parent=parent),)))
        (granted,) = await driver.claim()
        await driver.work(granted)
        assert await driver.store.audit() == ()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE parcae_jobs SET remind_at = NULL WHERE id = ?", (parent,))
        faults = await driver.store.audit()
        assert any("nobody will look at it again" in fault for fault in faults), faults

    on(SqliteStore(path), scenario)
