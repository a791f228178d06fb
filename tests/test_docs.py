"""The pages tell the truth: verbs, exit codes, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def test_given_the_page_of_the_command_line_then_it_names_every_verb_and_exit_code() -> None:
    page = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == {
        *map(int, Exit)
    }
    assert set(re.findall(r"^\| `([a-z]+)", page, re.MULTILINE)) == {
        *parcae.list_commands(click.Context(parcae))
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_given_a_page_then_its_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
