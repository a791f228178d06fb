"""Statistics of queues: pure arithmetic on what a store has counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from attrs import Factory, frozen

from parcae.admission import rate_keys
from parcae.events import Event, Released, RetryScheduled, Scheduled, Started
from parcae.queues import Bounds, Queue
from parcae.survey import Sample, Standing, Survey, Tally
from parcae.values import Instant

ZERO = timedelta(0)


@frozen(kw_only=True)
class Percentiles:
    """How long something took: of ``count`` times, half no longer than ``p50``, and so on."""

    count: int
    p50: timedelta
    p90: timedelta
    p99: timedelta


@frozen(kw_only=True)
class LineStatistics:
    """One queue, or one key of it.

    Attributes:
        key: the key; ``None``: the whole queue.
        tally: how many jobs are where.
        bounds: how many may run at once, and how often they may start.
        oldest: for how long the one may start that may for the longest time; ``None``: none may.
        per_minute: ends in a minute, over the window.
        wait: from when a job might start until it did, each time; ``None``: none has of late.
        run: from each start to the end of that attempt; undos do not count.
    """

    key: str | None
    tally: Tally
    bounds: Bounds
    oldest: timedelta | None
    per_minute: float
    wait: Percentiles | None
    run: Percentiles | None


@frozen(kw_only=True)
class QueueStatistics:
    """One queue.

    Attributes:
        queue: what is set for it.
        whole: all of it.
        keys: those of its keys that are listed, the one with the most jobs first.
    """

    queue: Queue
    whole: LineStatistics
    keys: tuple[LineStatistics, ...]


@frozen(kw_only=True)
class Statistics:
    """What is in the queues, all of one instant.

    Attributes:
        now: that instant.
        window: ends since so long ago were counted.
        sample: of so many jobs that ended last, the times were taken.
        queues: the queues, the one with the most jobs first.
        more_queues: how many more there are.
        more_lanes: how many more pairs of queue and key.
    """

    now: Instant
    window: timedelta
    sample: int
    queues: tuple[QueueStatistics, ...] = Factory(tuple)
    more_queues: int = 0
    more_lanes: int = 0


def measured(survey: Survey) -> Statistics:
    """What a survey means."""
    return Statistics(
        now=survey.now,
        window=survey.scope.window,
        sample=len(survey.samples),
        queues=tuple(_queues(survey)),
        more_queues=survey.more_queues,
        more_lanes=survey.more_lanes,
    )


def _queues(survey: Survey) -> Iterator[QueueStatistics]:
    keys: dict[str, dict[str, Tally]] = {}
    for lane, tally in survey.lanes.items():
        keys.setdefault(lane.queue, {})[lane.key] = tally
    samples: dict[str, dict[str, list[Sample]]] = {}
    for one in survey.samples:
        samples.setdefault(one.lane.queue, {}).setdefault(one.lane.key, []).append(one)
    for name, tally in survey.queues.items():
        queue, mine = survey.settings.get(name) or Queue(name=name), samples.get(name, {})
        every = [one for some in mine.values() for one in some]
        yield QueueStatistics(
            queue=queue,
            whole=_line(survey, None, tally, queue.bounds, every),
            keys=tuple(
                _line(survey, key, counted, queue.of(key), mine.get(key, ()))
                for key, counted in keys.get(name, {}).items()
            ),
        )


def _line(
    survey: Survey, key: str | None, tally: Tally, bounds: Bounds, samples: Sequence[Sample]
) -> LineStatistics:
    ended = sum(tally.ended.values())
    return LineStatistics(
        key=key,
        tally=tally,
        bounds=bounds,
        oldest=None if tally.oldest is None else max(survey.now - tally.oldest, ZERO),
        per_minute=ended / (survey.scope.window / timedelta(minutes=1)),
        wait=percentiles(time for one in samples for time in waits(one.events)),
        run=percentiles(time for one in samples for time in runs(one.events)),
    )


def percentiles(times: Iterable[timedelta]) -> Percentiles | None:
    """By nearest rank: each is a time that was measured; ``None``: none was."""
    line = sorted(times)
    if not line:
        return None

    def rank(percent: int) -> timedelta:
        return line[-(-len(line) * percent // 100) - 1]

    return Percentiles(count=len(line), p50=rank(50), p90=rank(90), p99=rank(99))


def waits(events: Iterable[Event]) -> Iterator[timedelta]:
    """How long a job waited for a slot and a worker, each time that it started."""
    since: Instant | None = None
    for event in events:
        if isinstance(event, Scheduled | RetryScheduled):
            since = max(event.at, event.run_at)
        elif isinstance(event, Released):
            since = event.at
        elif isinstance(event, Started) and since is not None:
            # A clock that was set back makes no negative times.
            yield max(event.at - since, ZERO)
            since = None


def runs(events: Iterable[Event]) -> Iterator[timedelta]:
    """How long each of its attempts lasted."""
    since: Instant | None = None
    for event in events:
        if isinstance(event, Started):
            since = event.at
        elif since is not None:
            yield max(event.at - since, ZERO)
            since = None


def obstacles(standing: Standing) -> Iterator[str]:
    """What keeps a job that stands in line from starting now, in words; none: a worker is due."""
    offer, queue, now = standing.offer, standing.queue, standing.now
    if offer is None:
        return
    if queue.paused and not offer.undo:
        yield f"queue {queue.name} is paused since {queue.paused_at:%Y-%m-%d %H:%M:%S} UTC"
    whole, key = queue.bounds, queue.of(offer.lane.key)
    if whole.limit is not None and standing.held_in_queue >= whole.limit:
        yield f"{standing.held_in_queue} of {whole.limit} slots of queue {queue.name} are held"
    if key.limit is not None and standing.held >= key.limit:
        yield f"{standing.held} of {key.limit} slots of key {offer.lane.key!r} are held"
    if not offer.undo:
        yield from _rates(standing, (whole, key), now)


def _rates(standing: Standing, bounds: tuple[Bounds, Bounds], now: Instant) -> Iterator[str]:
    names = (f"queue {standing.queue.name}", f"key {standing.stored.job.spec.lane.key!r}")
    keys: Mapping[str, Instant | None] = {
        name: standing.free[key].expires_at if key in standing.free else None
        for name, key in zip(names, rate_keys(standing.stored.job.spec.lane), strict=True)
    }
    for name, bound in zip(names, bounds, strict=True):
        free_at = keys[name]
        if bound.rate is not None and free_at is not None and free_at > now:
            yield f"the rate of {name} lets the next start at {free_at:%Y-%m-%d %H:%M:%S} UTC"
