"""Queues as plain values and in words: what is set for them, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from parcae.measures import (
    LineStatistics,
    Percentiles,
    QueueStatistics,
    Statistics,
    obstacles,
)
from parcae.phrases import span
from parcae.queues import Bounds, Queue, Rate
from parcae.survey import Standing
from parcae.telling import rate as rate_words
from parcae_adapters.cli.records import Record, iso

UNKNOWN = "–"
"""Where nothing was measured: never a zero."""


def settings(queue: Queue) -> Record:
    """What is set for a queue."""
    return {
        "queue": queue.name,
        "version": queue.version,
        "paused_at": iso(queue.paused_at),
        "resumed_at": iso(queue.resumed_at),
        "aging": queue.aging,
        **bounds(queue.bounds),
        "each_key": bounds(queue.each),
        "keys": {key: bounds(one) for key, one in queue.keys.items()},
    }


def bounds(found: Bounds) -> Record:
    """A limit and a rate."""
    return {"limit": found.limit, "rate": None if found.rate is None else _rate(found.rate)}


def _rate(found: Rate) -> Record:
    return {"count": found.count, "per_seconds": found.per.total_seconds(), "burst": found.burst}


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


def line(one: LineStatistics) -> Record:
    """A queue, or one key of it."""
    tally = one.tally
    return {
        **({} if one.key is None else {"key": one.key}),
        "waiting": tally.waiting,
        "later": tally.later,
        "late": tally.late,
        "pending": tally.pending,
        "running": tally.running,
        "undos": tally.undos,
        **bounds(one.bounds),
        "oldest_seconds": _seconds(one.oldest),
        "ends_per_minute": round(one.per_minute, 3),
        "ended": {str(status): number for status, number in tally.ended.items()},
        "wait_seconds": _percentiles(one.wait),
        "run_seconds": _percentiles(one.run),
    }


def _percentiles(found: Percentiles | None) -> Record | None:
    if found is None:
        return None
    return {
        "count": found.count,
        "p50": _seconds(found.p50),
        "p90": _seconds(found.p90),
        "p99": _seconds(found.p99),
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def of_queue(one: QueueStatistics) -> Record:
    """A queue with its keys."""
    return {
        "queue": one.queue.name,
        "paused_at": iso(one.queue.paused_at),
        "aging": one.queue.aging,
        **line(one.whole),
        "keys": [line(key) for key in one.keys],
    }


def everything(found: Statistics) -> Record:
    """All that was counted."""
    return {
        "at": iso(found.now),
        "window_seconds": _seconds(found.window),
        "sample": found.sample,
        "queues": [of_queue(one) for one in found.queues],
        "more_queues": found.more_queues,
        "more_keys": found.more_lanes,
    }


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


def place(standing: Standing) -> Record | None:
    """Where a job stands in line, as plain values."""
    if standing.offer is None:
        return None
    return {
        "ahead": standing.ahead,
        "ahead_in_queue": standing.ahead_in_queue,
        "held": standing.held,
        "held_in_queue": standing.held_in_queue,
        "holders": [one.job.id for one in standing.holders],
        "obstacles": list(obstacles(standing)),
    }
