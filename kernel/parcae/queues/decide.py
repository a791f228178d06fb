"""Command, queue → events. What is so already is not recorded again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from parcae.errors import Reason, Rejected
from parcae.queues.commands import Pause, QueueCommand, Resume, SetAging, SetLimit, SetRate
from parcae.queues.events import (
    AgingSet,
    LimitSet,
    QueueEvent,
    QueuePaused,
    QueueResumed,
    RateSet,
)
from parcae.queues.state import Bounds, Queue
from parcae.values import MAX_NAME, Instant

MAX_KEYS = 10_000
"""Keys with bounds of their own, in one queue."""


def decide(queue: Queue, command: QueueCommand, now: Instant) -> tuple[QueueEvent, ...]:
    """What ``command`` brings about; empty: it is so already.

    Raises:
        Rejected: too many keys, or one that cannot be a key.
    """
    return tuple(_decide(queue, command, now))


def _decide(queue: Queue, command: QueueCommand, now: Instant) -> Iterator[QueueEvent]:
    match command:
        case Pause():
            if not queue.paused:
                yield QueuePaused(at=now, by=command.by)
        case Resume():
            if queue.paused:
                yield QueueResumed(at=now, by=command.by)
        case SetAging():
            if queue.aging != command.aging:
                yield AgingSet(at=now, aging=command.aging, by=command.by)
        case SetLimit() | SetRate():
            yield from _bounded(queue, command, now)
        case _:
            assert_never(command)


def _bounded(queue: Queue, command: SetLimit | SetRate, now: Instant) -> Iterator[QueueEvent]:
    bounds, key, each, by = _bounds(queue, command), command.key, command.each, command.by
    if isinstance(command, SetLimit):
        if bounds.limit != command.limit:
            yield LimitSet(at=now, limit=command.limit, key=key, each=each, by=by)
    elif bounds.rate != command.rate:
        yield RateSet(at=now, rate=command.rate, key=key, each=each, by=by)


def _bounds(queue: Queue, command: SetLimit | SetRate) -> Bounds:
    key = command.key
    if key is None:
        return queue.each if command.each else queue.bounds
    if command.each or len(key) > MAX_NAME or not (key == "" or key.isprintable()):
        message = f"expected one key of at most {MAX_NAME} printable characters, or each, got {key}"
        raise Rejected(Reason.BAD_INPUT, message, command=type(command).__name__)
    if key not in queue.keys and len(queue.keys) >= MAX_KEYS:
        message = f"queue {queue.name} has bounds for {MAX_KEYS} keys: bound each key instead"
        raise Rejected(Reason.TOO_LARGE, message, command=type(command).__name__)
    return queue.of(key)
