"""The pictures in the documents are drawn from the table, and not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae.lifecycle import TRANSITIONS
from parcae_specs.pictures import BLOCKS, COMMAND, DOCUMENTS, NOTES, picture, refreshed, table

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_picture_is_stale(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert refreshed(text) == text, f"{name} is stale: run {COMMAND}"


def test_every_block_stands_in_some_document() -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for name in BLOCKS:
        assert f"<!-- {name}:begin -->" in text
        assert f"<!-- {name}:end -->" in text


def test_the_picture_shows_every_arrow_that_moves_or_works() -> None:
    drawn = picture()
    for status, row in TRANSITIONS.items():
        for event, target in row.items():
            if event not in NOTES:
                start = f"{status or '[*]'} --> {target or '[*]'}: "
                line = next(line for line in drawn.splitlines() if start in line)
                assert event.__name__ in line.split(": ")[1].split("<br>")


def test_the_table_shows_every_transition() -> None:
    rows = table().splitlines()[2:]
    shown = {
        (row.split(" | ")[0].strip("| "), event.strip("`"), row.split(" | ")[2].strip(" |"))
        for row in rows
        for event in row.split(" | ")[1].split()
    }
    assert shown == {
        (str(status or "–"), event.__name__, str(target or "gone"))
        for status, row in TRANSITIONS.items()
        for event, target in row.items()
    }


def test_a_stale_block_is_drawn_anew_and_the_rest_left_alone() -> None:
    text = "before\n<!-- lifecycle:begin -->\nold\n<!-- lifecycle:end -->\nafter\n"
    fresh = refreshed(text)
    assert fresh.startswith("before\n<!-- lifecycle:begin -->\n```mermaid")
    assert fresh.endswith("<!-- lifecycle:end -->\nafter\n")
    assert refreshed(fresh) == fresh
    assert refreshed("no markers") == "no markers"
