"""Planted bugs about slots, locks, dependents, groups and constraints are found, each for its own
reason; and the shortest way to each is the same in real time."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.bugs.bug import Caught, hunt
from parcae_specs.bugs.crowded import CROWD_GUARDS, CROWDED

BUGS = {bug.name: bug for bug in (*CROWDED, *CROWD_GUARDS)}
PAGE = Path(__file__).parent.parent / "specs" / "known-bugs.md"

_CAUGHT: dict[str, Caught] = {}


def caught(name: str) -> Caught:
    """How a bug was found; it is looked for once."""
    if name not in _CAUGHT:
        _CAUGHT[name] = hunt(BUGS[name])
    return _CAUGHT[name]


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_the_guarantee_it_names_and_by_no_other(name: str) -> None:
    """S6, S7, S8, S9, S12, S13, S17, S22, L1, L2, L5."""
    found = caught(name)
    assert found.guarantee == BUGS[name].guarantee, found.message
    assert found.again, "it did not go wrong by real names and times"
    assert found.lines[-1].endswith(f": {found.guarantee}")


def test_the_page_names_every_bug_with_its_steps() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, bug in BUGS.items():
        found = caught(name)
        assert f"| {name} |" in page
        assert f"| {bug.guarantee} | {found.steps} | {found.worlds:,} |" in page, name


def test_the_way_to_a_bug_says_who_did_what_and_what_it_changed() -> None:
    lines = caught("members are undone in the order in which they were done").lines
    assert any("worker 1 claims  (job 1: scheduled → running" in line for line in lines)
    assert any("reconciler goes on with a group" in line for line in lines)
