"""``parcae db migrate``, and ``parcae bench``."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlite_utils import Database

from parcae_adapters.cli.app import parcae
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.sqlite.schema import MIGRATIONS

LATER = ["0005_workers_and_ends", "0006_deliveries", "0007_gone_events"]


def run(*arguments: str, db: Path | None = None) -> Result:
    """What comes of typing it."""
    where = () if db is None else ("--db", str(db))
    return CliRunner().invoke(parcae, [*arguments, *where])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as a version before workers wrote themselves down has left it."""
    path = tmp_path / "jobs.db"
    connection = sqlite3.connect(path)
    MIGRATIONS.apply(Database(connection), stop_before=LATER[0])
    connection.commit()
    connection.close()
    return path


def test_given_an_old_file_when_it_is_migrated_twice_then_it_is_done_once(old: Path) -> None:
    before = old.read_bytes()
    seen = run("db", "migrate", "--dry-run", "--json", db=old)
    assert json.loads(seen.stdout) == {"dry_run": True, "migrations": LATER}
    assert old.read_bytes() == before
    done = run("db", "migrate", db=old)
    assert (done.exit_code, done.stdout.splitlines()) == (0, [f"{one}: applied" for one in LATER])
    again = run("db", "migrate", db=old)
    assert (again.exit_code, again.stdout) == (0, "The tables are up to date.\n")


def test_given_a_file_that_is_none_of_ours_or_newer_then_it_is_left_alone(tmp_path: Path) -> None:
    missing = run("db", "migrate", db=tmp_path / "no.db")
    assert missing.exit_code == 4
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (a)").connection.close()
    foreign = run("db", "migrate", db=other)
    assert (foreign.exit_code, "no tables of ours" in foreign.stderr) == (5, True)
    newer = tmp_path / "newer.db"
    asyncio.run(SqliteStore(newer).close())
    with sqlite3.connect(newer) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('parcae', '9999_later', '2030-01-01')"
        )
    connection.close()
    refused = run("db", "migrate", db=newer)
    assert (refused.exit_code, "9999_later" in refused.stderr) == (5, True)


def test_given_a_small_bench_then_it_says_how_much_of_the_plain_loop_it_was(tmp_path: Path) -> None:
    done = run("bench", "--rounds", "1", "--jobs", "200", "--folder", str(tmp_path), "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert 0 < found["use cases alone"]["median"] < 2
    assert len(found["with a worker"]["rounds"]) == 1
