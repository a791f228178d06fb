"""``python -m parcae_specs.explorer``: slices, cores, bounds, and a page about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.explorer.__main__ import main


def test_two_slices_are_explored_on_two_cores_and_each_says_its_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lane", "clocks", "--limit", "300", "--cores", "2"]) == 0
    said = capsys.readouterr().out
    assert said.index("lane: ") < said.index("clocks: ")
    assert said.count("left out:") == 2


def test_the_page_says_by_which_command_it_was_written(tmp_path: Path) -> None:
    page = tmp_path / "explored.md"
    assert main(["lane", "--deep", "--limit", "300", "--write", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "python -m parcae_specs.explorer lane --deep --limit 300" in text
    assert "| lane | 30" in text
    assert "left out:" in text


def test_slices_of_many_jobs_are_explored_beside_the_others_and_unknown_ones_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keys", "lane", "--limit", "200"]) == 0
    said = capsys.readouterr().out
    assert said.index("keys: ") < said.index("lane: ")
    assert main(["no such slice"]) == 2
    assert "limit one" in capsys.readouterr().err
