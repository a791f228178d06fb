"""Queues, and what is in them, as plain values."""

from __future__ import annotations

from datetime import timedelta

from parcae.measures import (
    LineStatistics,
    Percentiles,
    QueueStatistics,
    Statistics,
    obstacles,
)
from parcae.queues import Bounds, Queue, Rate
from parcae.survey import Standing
from parcae_adapters.records.jobs import Record, iso


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
