"""Power losses: what the store wrote and synced, cut off anywhere; and the disk that does it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from parcae_specs.crash import strace
from parcae_specs.crash.contents import Contents
from parcae_specs.crash.disk import SECTOR, Disk
from parcae_specs.crash.power import lose
from parcae_specs.crash.script import CALLS, versions
from parcae_specs.crash.trace import Create, Operation, Said, Sync, Truncate, Unlink, Write

traced = pytest.mark.skipif(strace.missing() is not None, reason=str(strace.missing()))


@pytest.fixture(scope="module")
def held() -> Sequence[Contents]:
    """What the store holds after each call of the script."""
    return asyncio.run(versions())


@traced
def test_s27_full_loses_nothing_that_was_answered_in_any_image(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    losses = asyncio.run(lose(tmp_path, "full", held, images=300, seed=1))
    assert list(losses.wrong) == []
    assert losses.lost == {0: 300}


@traced
def test_s23_normal_loses_the_last_of_it_and_is_never_damaged(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    losses = asyncio.run(lose(tmp_path, "normal", held, images=60, seed=2))
    assert list(losses.wrong) == []
    assert losses.losing > 10, "nothing was lost, so nothing was cut off that mattered"
    assert max(losses.lost) < CALLS / 2


@traced
def test_a_store_that_does_not_sync_is_noticed(tmp_path: Path, held: Sequence[Contents]) -> None:
    losses = asyncio.run(lose(tmp_path, "off", held, images=40, seed=3))
    assert losses.losing > 5
    assert losses.corrupt > 3


DISK = Path("/disk")


def after(
    tmp_path: Path, *operations: Operation, share: float = 0.0, seed: int = 1
) -> dict[str, bytes]:
    """What is on a disk after a power loss."""
    disk = Disk(DISK)
    for one in operations:
        disk.do(one)
    disk.crash(tmp_path, random.Random(seed), share)
    return {one.name: one.read_bytes() for one in tmp_path.iterdir()}


NEW = (Create("/disk/a"), Write("/disk/a", 0, b"old"), Sync("/disk/a"), Sync("/disk"))


def test_what_was_synced_is_on_the_disk_and_nothing_else_has_to_be(tmp_path: Path) -> None:
    assert after(tmp_path, *NEW, Write("/disk/a", 0, b"new")) == {"a": b"old"}


def test_a_file_may_be_missing_until_its_folder_was_synced(tmp_path: Path) -> None:
    assert after(tmp_path, *NEW[:3]) == {}


def test_a_removed_file_may_come_back_until_its_folder_was_synced(tmp_path: Path) -> None:
    assert after(tmp_path, *NEW, Unlink("/disk/a")) == {"a": b"old"}


def test_a_removed_file_is_gone_once_its_folder_was_synced(tmp_path: Path) -> None:
    assert after(tmp_path, *NEW, Unlink("/disk/a"), Sync("/disk")) == {}


def test_a_write_may_survive_without_the_one_before_it(tmp_path: Path) -> None:
    wide = (Write("/disk/a", 0, b"one"), Write("/disk/a", 5, b"two"), Truncate("/disk/a", 6))
    found = set()
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.add(after(folder, *NEW, *wide, share=0.5, seed=seed)["a"])
    assert {b"old", b"one", b"old\0\0two", b"old\0\0t"} <= found


def test_the_last_write_may_be_torn_between_sectors_only(tmp_path: Path) -> None:
    old, new = bytes(4 * SECTOR), b"x" * (2 * SECTOR)
    found = set()
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        done = (*NEW, Write("/disk/a", 0, old), Sync("/disk/a"), Write("/disk/a", 100, new))
        found.add(after(folder, *done, share=1.0, seed=seed)["a"])
    edges = {one.find(b"x") for one in found} | {one.rfind(b"x") + 1 for one in found}
    assert edges <= {-1, 0, 100, SECTOR, 2 * SECTOR, 2 * SECTOR + 100}
    assert len(found) > 3


def test_what_was_said_is_what_a_client_may_rely_on() -> None:
    disk = Disk(DISK)
    for number in (1, 3, 2):
        disk.do(Said(number))
    assert disk.said == 3
