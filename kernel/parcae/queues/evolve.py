"""Queue, event → queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from attrs import evolve as replace

from parcae.queues.events import (
    AgingSet,
    LimitSet,
    QueueEvent,
    QueuePaused,
    QueueResumed,
    RateSet,
)
from parcae.queues.state import Bounds, Queue
from parcae.values import Version


def fold(name: str, events: Iterable[QueueEvent]) -> Queue:
    """The queue after ``events``."""
    queue = Queue(name=name)
    for event in events:
        queue = evolve(queue, event)
    return queue


def evolve(queue: Queue, event: QueueEvent) -> Queue:
    """The queue after ``event``."""
    queue = replace(queue, version=Version(queue.version + 1))
    match event:
        case QueuePaused():
            return replace(queue, paused_at=event.at)
        case QueueResumed():
            return replace(queue, paused_at=None, resumed_at=event.at)
        case LimitSet():
            return _bounded(queue, event, limit=event.limit)
        case RateSet():
            return _bounded(queue, event, rate=event.rate)
        case AgingSet():
            return replace(queue, aging=event.aging)
        case _:
            assert_never(event)


def _bounded(queue: Queue, event: LimitSet | RateSet, **change: Any) -> Queue:
    if event.key is not None:
        bounds = replace(queue.of(event.key), **change)
        # A key is kept even where its bounds are those of each: somebody named it.
        kept = {**queue.keys, event.key: bounds}
        if bounds == Bounds() and queue.each == Bounds():
            del kept[event.key]
        return replace(queue, keys=dict(sorted(kept.items())))
    if event.each:
        return replace(queue, each=replace(queue.each, **change))
    return replace(queue, bounds=replace(queue.bounds, **change))
