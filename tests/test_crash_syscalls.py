"""Death and failure at real system calls of the SQLite store, a sample of all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from parcae_specs.crash import strace
from parcae_specs.crash.contents import Contents
from parcae_specs.crash.points import Counts, Point, every, rounds, sample
from parcae_specs.crash.script import CALLS, versions
from parcae_specs.crash.strace import READS, WRITES
from parcae_specs.crash.strikes import fail, kill, undisturbed

pytestmark = pytest.mark.skipif(strace.missing() is not None, reason=str(strace.missing()))


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


def test_s20_s23_s27_killed_at_any_write_or_sync_the_store_keeps_all_that_was_answered(
    tmp_path: Path, counts: Counts, held: Sequence[Contents], record_property: object
) -> None:
    points = every(counts, WRITES)
    struck = kill(tmp_path, sample(points, 56, seed=7), counts, held)
    assert list(struck.wrong) == []
    assert struck.points - struck.missed >= 50, "some were not killed"
    assert len(points) > 1_000
    assert callable(record_property)
    record_property("crash points", len(points))


@pytest.mark.parametrize(("error", "size"), [("EIO", 20), ("ENOSPC", 8)])
def test_s23_s27_a_failing_disk_is_told_of_and_whoever_repeats_is_served(
    tmp_path: Path, counts: Counts, held: Sequence[Contents], error: str, size: int
) -> None:
    names = (*WRITES, *READS) if error == "EIO" else ("pwrite64",)
    struck = fail(tmp_path, sample(every(counts, names), size, seed=3), counts, held, error)
    assert list(struck.wrong) == []
    assert sum(struck.by_call.values()) == struck.points >= size


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
