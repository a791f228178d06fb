"""What was answered before another call began stands before it: one sweep over all times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from attrs import frozen

from parcae.values import JobId, Position
from parcae_specs.linear.claims import Log
from parcae_specs.linear.history import Ended, History, Operation, Wrong


@frozen
class Span:
    """At which heads of the log an operation may stand: from ``low`` on, and below ``high``.

    ``writes``: it put all events from ``low`` on there itself, so what it follows stands lower.
    """

    low: float
    high: float
    writes: bool = False


def check(history: History, log: Log, committed: Sequence[Operation]) -> None:
    """Sweep over calls and answers.

    Raises:
        Wrong: an operation stands before one that had been answered when it was called; or what
            it was shown never was so all at once.
    """
    writers = set(map(id, committed))
    spans = {id(one): _span(one, log, id(one) in writers) for one in history.operations}
    floor = 0.0
    chosen: dict[int, float] = {}
    for answered, one in _timeline(history.operations):
        span = spans[id(one)]
        if span is None:
            continue
        if answered:
            floor = max(floor, chosen[id(one)])
            continue
        least = span.low if span.writes else max(floor, span.low)
        if least >= span.high or (span.writes and floor >= span.low):
            raise Wrong("S26", _late(one, span.high - 1, floor))
        chosen[id(one)] = span.high - 1 if span.writes else least


def _late(one: Operation, stands: float, floor: float) -> str:
    what = one.ask.what if one.ask is not None else "a read"
    return (
        f"{one.name} ({what}) stands at {stands:.0f}, though {floor:.0f} "
        "had been answered before it was called"
    )


def _timeline(operations: Sequence[Operation]) -> Iterator[tuple[bool, Operation]]:
    """Calls and answers, as they happened; at the same instant calls go first: they overlap."""
    moments = [(one.called, False, index) for index, one in enumerate(operations)]
    moments += [
        (one.answered, True, index)
        for index, one in enumerate(operations)
        if one.answered is not None
    ]
    for _, answered, index in sorted(moments):
        yield answered, operations[index]


def _span(one: Operation, log: Log, writes: bool) -> Span | None:
    """The heads at which it may stand; ``None``: nothing is known of it."""
    if writes:
        stand = [log.position(name) or 0 for name in one.names]
        return Span(float(min(stand)), float(max(stand)) + 1, writes=True)
    if one.ended is Ended.DONE:
        assert one.position is not None
        return Span(float(one.position), float(one.position) + 1)
    if one.ended is Ended.UNKNOWN:
        return None
    versions = one.versions if one.run is None else one.run.versions
    low, high = 0.0, math.inf
    for job, version in versions.items():
        since, until = _lasted(log, job, version)
        low, high = max(low, since), min(high, until)
    if low >= high:
        raise Wrong("S26", f"{one.name} was shown {dict(versions)}, which never was so at once")
    return Span(low, high)


def _lasted(log: Log, job: JobId, version: int) -> tuple[float, float]:
    """Between which heads of the log a job was at this version; 0: it was not there."""
    if version:
        since = log.position((job, version))
        if since is None:
            raise Wrong("S23", f"job {job} was shown at version {version}, which never was")
    else:
        since = log.deleted.get(job, Position(0))
    until = None if since and not version else log.position((job, version + 1))
    return float(since), math.inf if until is None else float(until)
