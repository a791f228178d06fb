"""Queues in words and as rows: what is set for them, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from parcae.measures import LineStatistics, Percentiles, obstacles
from parcae.phrases import span
from parcae.queues import Queue
from parcae.survey import Standing
from parcae.telling import rate as rate_words

UNKNOWN = "–"
"""Where nothing was measured: never a zero."""


def words(queue: Queue) -> str:
    """What is set for a queue, in one line."""
    return "; ".join(_words(queue)) or "nothing is set: no bound, and a greater priority goes first"


def _words(queue: Queue) -> Iterator[str]:
    if queue.paused_at is not None:
        yield f"paused since {queue.paused_at:%Y-%m-%d %H:%M:%S} UTC"
    keys = list(queue.keys.items())
    named = [(f"key {key!r}", one) for key, one in keys[:5]]
    for whom, one in (("in all", queue.bounds), ("each key", queue.each), *named):
        if one.limit is not None:
            yield f"{whom} at most {one.limit} at once"
        if one.rate is not None:
            yield f"{whom} at most {rate_words(one.rate)}"
    if len(keys) > len(named):
        yield f"{len(keys) - len(named)} more keys with bounds of their own"
    if queue.aging is not None:
        yield f"a level of priority is worth {queue.aging} places in line"


COLUMNS = ("QUEUE", "WAITING", "LATER", "PENDING", "RUNNING", "OLDEST", "ENDS/MIN", "STATE")


def row(one: LineStatistics, name: str, queue: Queue) -> tuple[str, ...]:
    """How full it is."""
    tally, limit = one.tally, one.bounds.limit
    notes = [
        *(["paused"] if queue.paused else []),
        *([rate_words(one.bounds.rate)] if one.bounds.rate else []),
        *([f"{tally.late} too late to start"] if tally.late else []),
        *([f"{tally.undos} to be undone"] if tally.undos else []),
    ]
    return (
        name,
        str(tally.waiting),
        str(tally.later),
        str(tally.pending),
        str(tally.running) if limit is None else f"{tally.running} of {limit}",
        UNKNOWN if one.oldest is None else span(one.oldest),
        f"{one.per_minute:.1f}",
        ", ".join(notes),
    )


TIMES = ("QUEUE", "WAIT P50", "P90", "P99", "RUN P50", "P90", "P99", "ENDED")


def times(one: LineStatistics, name: str) -> tuple[str, ...]:
    """How long its jobs waited and ran, and how they ended."""
    ended = ", ".join(f"{number} {status}" for status, number in one.tally.ended.items())
    return (name, *_three(one.wait), *_three(one.run), ended)


def _three(found: Percentiles | None) -> Iterable[str]:
    if found is None:
        return (UNKNOWN,) * 3
    return tuple(map(_short, (found.p50, found.p90, found.p99)))


def _short(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else span(duration)


def stands(standing: Standing) -> str:
    """Where a job stands in line, and what keeps it there; empty: it does not."""
    offer = standing.offer
    if offer is None:
        return ""
    lane = offer.lane.queue + (f"/{offer.lane.key}" if offer.lane.key else "")
    ahead = f"{standing.ahead} go before it in {lane}" if standing.ahead else f"the next of {lane}"
    more = standing.ahead_in_queue - standing.ahead
    others = f", and {more} in other lanes of the queue" if more else ""
    why = "".join(f"; {one}" for one in obstacles(standing))
    holders = [str(one.job.id) for one in standing.holders[:3]]
    held = f"; slots are held by {', '.join(holders)}" if why and holders else ""
    rest = f" and {standing.held - len(holders)} more" if held and standing.held > 3 else ""
    return f"{ahead}{others}{why}{held}{rest}"
