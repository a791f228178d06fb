"""Which files can be a store, and what is said of those that cannot."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from parcae import commands as c
from parcae.ports import Extent, Query
from parcae.values import Position, Status
from parcae_adapters.sqlite import SqliteStore, Unusable, connect, filesystem
from parcae_adapters.sqlite.schema import NAMES
from parcae_specs.drive import Driver
from parcae_specs.fragile import Fragile, close, look, on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def fragile() -> type[Fragile]:
    return type("Fragile", (Fragile,), {"noted": []})


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


def test_s16_given_a_file_from_before_it_was_kept_when_jobs_were_deleted_then_a_gap_is_assumed(
    tmp_path: Path,
) -> None:
    """S16: nobody knows any more what went when, so what came before the last deletion counts."""

    async def before() -> int:
        driver = Driver(SqliteStore(tmp_path / "jobs.db"))
        await driver.tell(await driver.finished(), c.Delete())
        gone = (await driver.store.extent()).head
        await driver.submit()
        await driver.store.close()
        return gone

    gone = asyncio.run(before())
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        # As a version without it would have left the file.
        connection.execute("DROP TRIGGER parcae_went")
        connection.execute("DROP TABLE parcae_gone")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = '0007_gone_events'")
        connection.commit()

    async def after() -> None:
        store = SqliteStore(tmp_path / "jobs.db")
        assert await store.extent() == Extent(whole=Position(gone - 1), head=Position(gone + 2))
        await store.close()

    asyncio.run(after())
