"""A store that lives on through a full disk, a torn log and other processes' locks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from parcae_specs.crash.contents import Contents
from parcae_specs.crash.script import versions
from parcae_specs.crash.troubles import disk_full, storm, torn_tail


@pytest.fixture(scope="module")
def held() -> Sequence[Contents]:
    """What the store holds after each call of the script."""
    return asyncio.run(versions())


def test_s23_s27_on_a_full_disk_clients_are_told_so_and_served_when_there_is_room(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    troubled = asyncio.run(disk_full(tmp_path, held))
    assert list(troubled.wrong) == []
    assert troubled.times > 5
    assert set(troubled.refusals) == {
        "Unavailable: the disk is full; free some space, then try again"
    }


def test_s23_a_torn_log_loses_the_commits_that_were_torn_off_and_no_other(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    troubled = asyncio.run(torn_tail(tmp_path, held, cuts=40, seed=1))
    assert list(troubled.wrong) == []


def test_s23_s27_in_a_storm_of_locks_clients_are_told_so_and_served_when_it_is_over(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    troubled = asyncio.run(storm(tmp_path, held, refusals=25))
    assert list(troubled.wrong) == []
    assert troubled.times > 0
    assert set(troubled.refusals) == {
        "Unavailable: another process keeps the database locked; try again"
    }
