"""Whoever only looks makes nothing: neither a file, nor tables in somebody else's."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from parcae_adapters.sqlite import SqliteStore, Unusable


def test_given_no_file_when_it_may_not_be_made_then_that_is_said_and_none_is_there(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unusable, match="no such file"):
        SqliteStore(tmp_path / "jobs.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_given_somebody_elses_database_when_one_only_looks_then_not_a_byte_of_it_changes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE people (name TEXT)")
    theirs.commit()
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(Unusable, match="Parcae has no jobs in it"):
        SqliteStore(path, create=False)
    listed = subprocess.run(
        [sys.executable, "-m", "parcae_adapters.cli", "--db", str(path), "list"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 8
    assert "Parcae has no jobs in it" in listed.stderr
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_given_a_store_that_is_there_then_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    asyncio.run(SqliteStore(path).close())
    asyncio.run(SqliteStore(path, create=False).close())
