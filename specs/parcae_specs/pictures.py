"""The lifecycle as a picture and as a table, drawn from ``TRANSITIONS``.

``python -m parcae_specs.pictures`` writes them into the documents, between their markers; a test
says when they are stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from parcae import events as e
from parcae.lifecycle import TRANSITIONS
from parcae.values import TERMINAL, Status

DOCUMENTS = ("README.md", "specs/lifecycle.md")
COMMAND = "python -m parcae_specs.pictures"
NOTES = (e.Annotated, e.Migrated, e.LateResultRecorded, e.Deleted)
"""What leaves the outcome alone, and the picture too: it would hide the rest."""


def picture() -> str:
    """A Mermaid state diagram: every arrow but notes, evidence and deletion."""
    return "\n".join(("```mermaid", "stateDiagram-v2", *_arrows(), "```"))


def _arrows() -> Iterator[str]:
    for status, row in TRANSITIONS.items():
        targets: dict[str, list[str]] = {}
        for event, target in row.items():
            if event not in NOTES:
                targets.setdefault(target or "[*]", []).append(event.__name__)
        for name, events in targets.items():
            yield f"    {status or '[*]'} --> {name}: {'<br>'.join(events)}"
    for status in Status:
        if status in TERMINAL:
            yield f"    {status} --> [*]"


def table() -> str:
    """Every transition, evidence included, as rows of Markdown."""
    rows = ["| from | event | to |", "|---|---|---|"]
    for status, row in TRANSITIONS.items():
        targets: dict[str, list[str]] = {}
        for event, target in row.items():
            targets.setdefault(target or "gone", []).append(f"`{event.__name__}`")
        for name, events in targets.items():
            rows.append(f"| {status or '–'} | {' '.join(events)} | {name} |")
    return "\n".join(rows)


BLOCKS: Mapping[str, Callable[[], str]] = {"lifecycle": picture, "transitions": table}
"""What stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``."""


def refreshed(text: str) -> str:
    """``text`` with every block that it has markers for drawn anew."""
    for name, draw in BLOCKS.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if begin in text and end in text:
            head, rest = text.split(begin, 1)
            tail = rest.split(end, 1)[1]
            text = f"{head}{begin}\n{draw()}\n{end}{tail}"
    return text


def refresh(root: Path) -> Iterator[Path]:
    """Draw anew what is stale in the documents under ``root``; says which were."""
    for name in DOCUMENTS:
        path = root / name
        text = path.read_text(encoding="utf-8")
        if (fresh := refreshed(text)) != text:
            path.write_text(fresh, encoding="utf-8")
            yield path


if __name__ == "__main__":
    for changed in refresh(Path.cwd()):
        print(f"drawn anew: {changed}")  # noqa: T201 - a program that talks to a person
