"""The life of a job as a picture, in colours and as plain ASCII; and what completes verbs."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from parcae import Context, Engine, Jobs
from parcae.ports import Recorded
from parcae.values import JobId, Position, StreamId, Version, WorkerId
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.timeline import MOST, NAMES, WIDEST, picture
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.story import Story, at, claim, done, fail, given, note, start, submit

jobs = Jobs()


@jobs.job("greet")
def greet(ctx: Context) -> None:
    """Nothing."""


ROOT = Path(__file__).resolve().parent.parent


def drawn(story: Story, *, terminal: bool = False, width: int = 120) -> list[str]:
    history = [
        Recorded(
            position=Position(number),
            stream=StreamId(story.job_id),
            version=Version(number),
            event=event,
        )
        for number, event in enumerate(story.history, 1)
    ]
    out = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    return [line.plain for line in picture(JobId(story.job_id), history, story.now, out)]


def test_given_a_job_that_was_tried_twice_then_each_attempt_has_its_bar() -> None:
    begun = given(submit("pack"), at(2), claim(), start("pack"), at(4), fail())
    again = (at(6), claim(request="again"), start("pack", 2), at(10), note())
    lines = drawn(begun.when(*again))
    assert all(line.isascii() for line in lines)
    assert lines[0] == "2026-01-01 00:00:00 UTC, 10s"
    found = [(line[:NAMES].rstrip(), line[NAMES + 2 :].strip()) for line in lines[1:]]
    assert [name for name, _ in found] == [
        "waiting",
        "attempt 1",
        "  pack",
        "waiting",
        "attempt 2",
        "  pack",
    ]
    # Ten seconds are as wide as there is room for.
    second = WIDEST // 10
    bars = [bar.split()[0] for _, bar in found[:3]]
    assert bars == ["." * 2 * second, "#" * 2 * second, "=" * 2 * second]
    assert lines[-1].index("=") - NAMES - 2 == 6 * second
    assert found[1][1].endswith(" 2.0s handler error")
    assert found[-1][1].endswith(" 4.0s now")


def test_given_a_terminal_with_colours_then_blocks_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    story = given(submit("pack"), at(2), claim(), start("pack")).when(at(5), done("pack"))
    assert "█" in "".join(drawn(story, terminal=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "".join(drawn(story, terminal=True)).isascii()


@pytest.mark.parametrize("name", SCENARIOS)
def test_given_any_history_then_it_is_drawn_and_fits(name: str) -> None:
    story = play(name)
    for line in drawn(story, terminal=True, width=80)[1:]:
        assert len(line) <= 80 + 24
    assert len(drawn(story)) <= MOST + 1


def test_given_nothing_that_took_time_then_there_is_no_picture() -> None:
    assert drawn(given(submit("pack")).when()) == []


def test_given_an_unknown_shell_then_it_is_wrong_usage() -> None:
    assert CliRunner().invoke(parcae, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_given_a_shell_then_what_it_evaluates_asks_us_by_our_name(shell: str) -> None:
    result = CliRunner().invoke(parcae, ["completion", shell])
    assert result.exit_code == 0
    assert "_PARCAE_COMPLETE" in result.stdout


def test_given_the_beginning_of_a_verb_then_it_is_completed() -> None:
    roots = os.pathsep.join(str(ROOT / root) for root in ("kernel", "adapters"))
    asked = {"_PARCAE_COMPLETE": "zsh_complete", "COMP_WORDS": "parcae rec", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "parcae_adapters.cli"],
        env={**os.environ, "PYTHONPATH": roots, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "reconcile" in done.stdout.splitlines()


def test_given_show_then_the_picture_is_part_of_it(tmp_path: Path) -> None:
    async def begin() -> str:
        async with Engine(SqliteStore(tmp_path / "jobs.db")) as engine:
            job_id = (await engine.submit(greet())).job_id
            await engine.claim(WorkerId("w"), jobs.kinds, request="1")
            return job_id

    job_id = asyncio.run(begin())
    shown = CliRunner().invoke(parcae, ["show", job_id, "--db", str(tmp_path / "jobs.db")])
    assert "attempt 1" in shown.stdout
    assert "#" in shown.stdout
