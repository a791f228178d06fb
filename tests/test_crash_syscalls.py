"""Death and failure at real system calls of the SQLite store, a sample of all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash import recovery, strace
from parcae_specs.crash.contents import Contents
from parcae_specs.crash.points import Counts, Point, answers, every, examine, rounds, sample
from parcae_specs.crash.script import CALLS, chance, play, versions
from parcae_specs.crash.strace import READS, WRITES
from parcae_specs.crash.strikes import fail, kill, undisturbed
from parcae_specs.crash.victim import Strike
from parcae_specs.story import START

traced = pytest.mark.skipif(strace.missing() is not None, reason=str(strace.missing()))


@pytest.fixture(scope="module")
def held() -> Sequence[Contents]:
    """What the store holds after each call of the script."""
    return asyncio.run(versions())


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """How many system calls the script makes."""
    return undisturbed(tmp_path_factory.mktemp("counts"))


def test_the_script_changes_something_with_nearly_every_call(held: Sequence[Contents]) -> None:
    assert len(held) == CALLS + 1
    assert len(set(held)) == CALLS, "only the repeated submission changes nothing"


@traced
def test_s20_s23_s27_killed_at_any_write_or_sync_the_store_keeps_all_that_was_answered(
    tmp_path: Path,
    counts: Counts,
    held: Sequence[Contents],
    capsys: pytest.CaptureFixture[str],
) -> None:
    points = every(counts, WRITES)
    struck = kill(tmp_path, sample(points, 60, seed=7), counts, held)
    assert list(struck.wrong) == []
    assert struck.points - struck.missed >= 50, "some were not killed"
    assert len(points) > 1_000
    with capsys.disabled():
        sys.stdout.write(f" [killed at {struck.points - struck.missed} of {len(points)} calls] ")


@traced
@pytest.mark.parametrize(
    ("error", "size", "times"), [("EIO", 18, 1), ("EIO", 6, 10), ("ENOSPC", 6, 1)]
)
def test_s23_s27_a_failing_disk_is_told_of_and_whoever_repeats_is_served(
    tmp_path: Path, counts: Counts, held: Sequence[Contents], error: str, size: int, times: int
) -> None:
    names = (*WRITES, *READS) if error == "EIO" else ("pwrite64",)
    points = sample(every(counts, names), size, seed=3)
    struck = fail(tmp_path, points, counts, held, error, times)
    assert list(struck.wrong) == []
    assert sum(struck.by_call.values()) == struck.points == size


@traced
def test_a_file_that_cannot_be_read_is_not_called_damaged_without_a_doubt(tmp_path: Path) -> None:
    """SQLite gives the same code for both."""
    # Python itself reads so, too, when it starts; but not a thousand times.
    strike = Strike(name="unreadable", role="opening", call="pread64", idle=998)
    strace.run(tmp_path, [strike], inject=["pread64:error=EIO:when=1000+"])
    told = answers(tmp_path / "unreadable").error
    assert told.startswith("parcae.errors.Corrupt: ")
    assert "or its disk cannot be read" in told
    assert "see the system's log" in told


def examined(
    folder: Path, held: Sequence[Contents], stop: int, *said: int, damage: str = ""
) -> Sequence[str]:
    """What is wrong with a store that heard ``stop`` calls if its clients were told these; before
    it is looked at, ``damage`` is done to it."""
    clock = ManualClock(START)

    class Stopped(Exception):
        pass

    def heard(number: int) -> None:
        if number == stop:
            raise Stopped

    async def run() -> Sequence[str]:
        store = SqliteStore(folder / "db", clock=clock, entropy=chance(), durability="normal")
        with contextlib.suppress(Stopped):
            await play(store, clock, heard)
        await store.close()
        with contextlib.closing(sqlite3.connect(folder / "db")) as connection:
            connection.execute(damage)
            connection.commit()
        (folder / "answers").write_text("".join(f"{one}\n" for one in said))
        return await examine(folder, held, whole=False)

    return asyncio.run(run())


def test_a_store_that_holds_what_was_answered_and_begun_is_found_to_be_right(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    assert list(examined(tmp_path, held, 33, 31, 32, 33)) == []


def test_s27_a_store_that_lost_an_answered_call_is_noticed(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    assert list(examined(tmp_path, held, 33, 40)) == ["S27: 40 calls were answered, it holds 33"]


def test_s23_a_store_that_holds_what_nobody_had_begun_is_noticed(
    tmp_path: Path, held: Sequence[Contents]
) -> None:
    assert list(examined(tmp_path, held, 33, 3)) == ["S23: 4 calls had begun, it holds 33"]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM parcae_deliveries",
        "UPDATE parcae_blobs SET data = x'00' WHERE name = 'body'",
    ],
)
def test_s15_s23_a_store_that_lost_what_it_owes_is_noticed(
    tmp_path: Path, held: Sequence[Contents], damage: str
) -> None:
    found = examined(tmp_path, held, CALLS, CALLS, damage=damage)
    assert found[0] == "S23: it holds what the store never held between two calls"


def test_l4_something_is_owed_at_the_end_of_the_script_and_recovery_has_it_delivered(
    tmp_path: Path, held: Sequence[Contents], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so where it could not."""
    assert list(examined(tmp_path, held, CALLS, CALLS)) == []
    monkeypatch.setattr(recovery, "ROUNDS", 0)
    elsewhere = tmp_path / "again"
    elsewhere.mkdir()
    assert any("undelivered, for ever" in one for one in examined(elsewhere, held, CALLS, CALLS))


def test_a_sample_holds_the_first_and_the_last_call_of_every_kind() -> None:
    counts: Counts = {("opening", "fsync"): 3, ("writing", "pwrite64"): 400}
    chosen = sample(every(counts, WRITES), 10, seed=1)
    assert len(chosen) == 10
    ends = (Point("opening", "fsync", 1), Point("opening", "fsync", 3))
    assert {*ends, Point("writing", "pwrite64", 1), Point("writing", "pwrite64", 400)} <= {*chosen}


def test_every_point_is_struck_in_one_round_after_as_many_idle_calls_as_are_missing() -> None:
    counts: Counts = {
        ("opening", "fdatasync"): 3,
        ("opening", "pwrite64"): 40,
        ("writing", "pwrite64"): 400,
    }
    points = every(counts, WRITES)
    found = list(rounds(points, counts, 16))
    assert sorted(point for one in found for point in one.points) == points
    for one in found:
        for strike, point in zip(one.strikes(), one.points, strict=True):
            assert strike.idle + point.number == one.limits[point.call]
            if point.role == "writing":
                assert one.limits[point.call] > counts["opening", "pwrite64"]


def test_where_strace_is_not_installed_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strace.missing.cache_clear()
    monkeypatch.setattr(strace, "STRACE", None)
    why = strace.missing()
    strace.missing.cache_clear()
    assert why is not None
    assert why.endswith("install strace")


def test_where_strace_may_not_trace_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    false = tmp_path / "strace"
    false.write_text("#!/bin/sh\necho 'ptrace: Operation not permitted' >&2\nexit 1\n")
    os.chmod(false, 0o700)
    strace.missing.cache_clear()
    monkeypatch.setattr(strace, "STRACE", str(false))
    why = strace.missing()
    strace.missing.cache_clear()
    assert why is not None
    assert why.endswith("ptrace: Operation not permitted")
