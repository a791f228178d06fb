"""The smoke benchmark: how often the disk is written through, and a floor under the speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.bench.smoke import compare
from parcae_specs.bench.syncs import STRACE, per_job

pytestmark = pytest.mark.alone


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, which counts the syncs")
def test_given_a_hundred_jobs_at_once_then_each_costs_a_tenth_of_a_sync_at_the_most(
    tmp_path: Path,
) -> None:
    try:
        syncs = per_job(tmp_path)
    except RuntimeError as error:
        pytest.skip(f"strace may not trace here: {error}")
    # At least one commit was written through: a count of nothing would prove nothing.
    assert 0 < syncs <= 0.10


def test_given_a_plain_loop_beside_it_then_the_store_keeps_its_share(tmp_path: Path) -> None:
    """A guard against regressions, not the aim: see docs/benchmarks.md for both."""
    alone, _ = compare(tmp_path, rounds=3, count=1_000, with_worker=False)
    assert alone.median > 0.10
