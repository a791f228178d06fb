"""Planted bugs of webhooks are found, each by the guarantee it names, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.bugs.bug import Caught, hunt
from parcae_specs.bugs.outgoing import OUTGOING, OUTGOING_GUARDS

BUGS = {bug.name: bug for bug in (*OUTGOING, *OUTGOING_GUARDS)}
PAGE = Path(__file__).parent.parent / "specs" / "known-bugs.md"

_CAUGHT: dict[str, Caught] = {}


def caught(name: str) -> Caught:
    """How a bug was found; it is looked for once."""
    if name not in _CAUGHT:
        _CAUGHT[name] = hunt(BUGS[name])
    return _CAUGHT[name]


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_the_guarantee_it_names_and_by_no_other(name: str) -> None:
    """S3, S4, S14, S15, S19, S25, L4."""
    found = caught(name)
    assert found.guarantee == BUGS[name].guarantee, (found.message, found.lines)
    assert found.steps == len(found.lines) > 0


def test_the_page_names_every_bug_with_its_steps() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, bug in BUGS.items():
        found = caught(name)
        assert f"| {name} |" in page
        assert f"| {bug.guarantee} | {found.steps} | {found.worlds:,} |" in page, name
