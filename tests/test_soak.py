"""The short form of ``make soak``: real workers, really killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from parcae import events as e
from parcae.commands import ReportKind
from parcae.values import Token
from parcae_specs.soak.run import fenced, soak
from parcae_specs.story import JOB, at, claim, given, submit


def test_s1_s3_s4_s5_s11_s12_given_workers_killed_and_frozen_then_every_job_ends_once(
    tmp_path: Path,
) -> None:
    soaked = asyncio.run(soak(tmp_path, kills=15, seed=7, pace=0.4))
    assert list(soaked.wrong) == []
    assert soaked.kills == 15
    assert soaked.freezes == 5
    assert soaked.late > 0
    assert sum(soaked.by_status.values()) == soaked.jobs == 60
    assert soaked.by_status["completed"] == 54
    assert soaked.by_status["compensated"] == 6
    assert soaked.losses > 0


def test_s4_given_a_late_result_of_who_holds_the_job_then_the_soak_says_so() -> None:
    story = given(submit("a"), claim())
    late = e.LateResultRecorded(at=at(1), token=Token(1), kind=ReportKind.FAILED)
    assert list(fenced(JOB, story.history)) == []
    assert list(fenced(JOB, [*story.history, late])) == ["S4: token 1 was not late"]
