"""The short form of ``make soak``: real workers, really killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from parcae_specs.soak.run import soak


def test_s1_s3_s5_s11_s12_given_fifteen_kills_of_workers_then_every_job_ends_once(
    tmp_path: Path,
) -> None:
    soaked = asyncio.run(soak(tmp_path, kills=15, seed=7, pace=0.6))
    assert list(soaked.wrong) == []
    assert soaked.kills == 15
    assert sum(soaked.by_status.values()) == soaked.jobs == 60
    assert soaked.by_status["completed"] == 54
    assert soaked.by_status["compensated"] == 6
    assert soaked.losses > 0
