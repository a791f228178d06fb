"""The life of a job as a picture: what it waited for, its attempts, and its phases, on one axis."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from attrs import frozen
from rich.console import Console
from rich.text import Text

from parcae.events import Event
from parcae.phrases import span
from parcae.ports import Recorded
from parcae.projection import Interval, Span, Track, projected
from parcae.state import Compensating, Ended
from parcae.values import Instant, JobId
from parcae_adapters.cli.output import clean, cut_to

WIDEST = 60
NARROWEST = 20
NAMES = 24
"""Columns that go to the names, at the most."""

MOST = 40
"""Rows that are drawn: the last ones."""


@frozen
class Ink:
    """How a kind of interval is drawn: on a terminal with colours, and as plain ASCII."""

    drawn: str
    plain: str
    style: str


INK = {
    Span.WAIT: Ink("░", ".", "dim"),
    Span.ATTEMPT: Ink("█", "#", "blue"),
    Span.PHASE: Ink("━", "=", "green"),
    Span.UNDO: Ink("━", "<", "magenta"),
}
BAD = "red"
OPEN = "now"
WELL = frozenset({"started", "completed", "released", OPEN})


def picture(
    job_id: JobId, history: Sequence[Recorded[Event]], now: Instant, out: Console
) -> list[Text]:
    """The lines of the picture; none: nothing has taken any time yet.

    Args:
        job_id: whose history it is.
        history: all of it.
        now: where the axis ends, unless the job has ended.
        out: what it is drawn on: without colours it is plain ASCII.
    """
    found: list[Interval] = []
    track = Track()
    for track, fact in projected(job_id, (one.event for one in history)):  # noqa: B007
        found += fact.intervals
    found += _open(track, now)
    if not found:
        return []
    found.sort(key=lambda one: (one.began, list(Span).index(one.span)))
    shown, begin = found[-MOST:], found[-MOST:][0].began
    plain = not out.is_terminal or bool(os.environ.get("NO_COLOR"))
    room = (out.width if out.is_terminal else 120) - NAMES - 24
    axis = _Axis(begin, max(one.ended for one in shown), max(NARROWEST, min(room, WIDEST)), plain)
    left_out = len(found) - len(shown)
    head = f"{begin:%Y-%m-%d %H:%M:%S} UTC" + f", without the first {left_out}" * bool(left_out)
    return [Text(f"{head}, {span(axis.end - begin)}"), *map(axis.row, shown)]


def _open(track: Track, now: Instant) -> Iterator[Interval]:
    """What is not over yet, up to now."""
    job = track.job
    if job is None or isinstance(job.state, Ended):
        return
    state, lease = job.state, job.lease
    since = track.waits_from
    if since is not None and since < now:
        yield Interval(span=Span.WAIT, began=since, ended=now, outcome=OPEN)
    if lease is not None and not isinstance(state, Compensating):
        began = min(lease.since, now)
        number = job.attempt
        yield Interval(span=Span.ATTEMPT, began=began, ended=now, outcome=OPEN, attempt=number)
    if track.began is not None and lease is not None:
        kind = Span.UNDO if isinstance(state, Compensating) else Span.PHASE
        began = min(track.began, now)
        yield Interval(span=kind, began=began, ended=now, outcome=OPEN, phase=track.phase)


@frozen
class _Axis:
    begin: Instant
    end: Instant
    width: int
    plain: bool

    def row(self, one: Interval) -> Text:
        """One interval: its name, its bar, and how long it took."""
        ink = INK[one.span]
        first, last = self._column(one.began), self._column(one.ended)
        mark = ink.plain if self.plain else ink.drawn
        bar = " " * first + mark * max(1, last - first)
        style = ink.style if one.outcome in WELL else BAD
        line = Text(f"{cut_to(_name(one), NAMES):{NAMES}}  ")
        line.append(f"{bar:{self.width + 1}}", "" if self.plain else style)
        outcome = "" if one.outcome in ("started", "completed") else f" {one.outcome}"
        return line.append(f" {span(one.duration)}{outcome}")

    def _column(self, at: Instant) -> int:
        whole = self.end - self.begin
        if not whole:
            return 0
        return max(0, min(self.width, round((at - self.begin) / whole * self.width)))


def _name(one: Interval) -> str:
    match one.span:
        case Span.WAIT:
            return "waiting"
        case Span.ATTEMPT:
            return f"attempt {one.attempt}"
        case Span.PHASE:
            return f"  {clean(one.phase or '')}"
        case Span.UNDO:
            return f"  undo {clean(one.phase or '')}"
