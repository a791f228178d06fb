"""What is written, and where: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parcae import Status
from parcae.freshness import Freshness
from parcae_adapters.logs import JsonFormatter

UNLIMITED = 100_000
"""Columns, where nobody looks: what goes to a program or a file is never cut."""

STYLE = {
    Status.PENDING: "dim",
    Status.SCHEDULED: "cyan",
    Status.RUNNING: "blue",
    Status.COMPENSATING: "magenta",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "yellow",
    Status.COMPENSATED: "magenta",
    Status.QUARANTINED: "bold red",
}

FRESHNESS = {
    Freshness.FRESH: "green",
    Freshness.LATE: "yellow",
    Freshness.STALE: "bold red",
    Freshness.RECONCILED: "bold magenta",
    Freshness.SETTLED: "dim",
    Freshness.UNKNOWN: "bold yellow",
}


class Screen(Console):
    """A console that leaves it to its caller what a reader who has gone away means."""

    def on_broken_pipe(self) -> None:
        """Let the error through; rich would exit."""
        raise BrokenPipeError


def console(*, err: bool = False) -> Console:
    """A console that colours only for a terminal, and never if ``NO_COLOR`` says so."""
    stream = sys.stderr if err else sys.stdout
    return Screen(
        file=stream,
        # By itself rich would still write bold.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=None if stream.isatty() else UNLIMITED,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def start_logging(form: str) -> None:
    """Write logs to standard error, as ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def say(message: str) -> None:
    """A line for whoever typed the command."""
    click.echo(f"parcae: {message}", err=True)


def note(message: str) -> None:
    """A line beside the data."""
    click.echo(message, err=True)


def write_json(document: Any, *, line: bool = False) -> None:
    """One document; ``line``: on one line. Plain ASCII, so that any terminal takes it."""
    click.echo(json.dumps(document, indent=None if line else 2))


def clean(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    lines = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in lines)


def status_text(status: Status) -> Text:
    """A status in its colour."""
    return Text(str(status), style=STYLE[status])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Aligned columns; on a terminal the last one takes the room there is, and folds."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        last = column is columns[-1]
        shown.add_column(column, no_wrap=not last, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    target = console()
    with target.capture() as captured:
        target.print(shown, soft_wrap=False)
    # Rich fills columns up with blanks, which are in the way of whoever cuts or compares.
    for line in captured.get().splitlines():
        click.echo(line.rstrip(), color=target.is_terminal)


def cut_to(text: str, width: int) -> str:
    """``text``, shortened where it is longer than ``width``; what is cut says so."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
