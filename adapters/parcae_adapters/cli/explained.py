"""An explanation as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from parcae.why import Diagnostics, Explanation


def paragraphs(found: Explanation) -> Iterator[tuple[str, Sequence[str]]]:
    """The sentences, under their headings; headings under which there is nothing are left out."""
    trusted = f"Freshness: {found.freshness.word}. {found.freshness.because}"
    # What stands behind the sign is a comment to a shell, so that a line can be typed as it is.
    helps = tuple(f"{one.command}  # {one.does}" for one in found.remedies)
    for heading, lines in (
        ("Now", (found.state, trusted)),
        ("Waits", found.waits),
        ("Before", found.past),
        ("Not known", found.doubts),
        ("Next", (found.next,)),
        ("What helps", helps),
    ):
        if lines:
            yield heading, lines
    if found.diagnostics is not None:
        yield from _told(found.diagnostics)


def _told(found: Diagnostics) -> Iterator[tuple[str, Sequence[str]]]:
    if found.payload is not None:
        yield "Arguments", (found.payload,)
    for one in found.errors:
        undo = "the undo of " * one.undo
        where = f"{undo}phase {one.phase}" if one.phase else "no phase"
        heading = f"Error of attempt {one.number}, in {where}"
        lines = (f"{one.error.type}: {one.error.message}", *one.error.traceback.splitlines())
        yield heading, lines
