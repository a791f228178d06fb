"""Metrics for Prometheus, counted from the log: the only importer of ``prometheus_client``."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import write_to_textfile as write
from prometheus_client.metrics_core import Metric

from parcae.explain_engine import ExplainEngine
from parcae.freshness import Freshness
from parcae.measures import LineStatistics
from parcae.ports import Named, Query
from parcae.projection import Fact, Span
from parcae.queue_engine import QueueEngine
from parcae.roster import STATES as STATES_OF_WORKERS
from parcae.roster import roster
from parcae.values import TERMINAL, Position, Status
from parcae.workers import Attendance
from parcae_adapters.facts import Facts, Take

BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
"""Seconds: from a call to a day."""

ALIVE = frozenset(set(Status) - TERMINAL)
SEEN = 10_000
"""Of so many jobs that have not ended, the newest, the freshness is counted."""

STATES = ("waiting", "later", "late", "pending", "running")


class Plain(CollectorRegistry):
    """A registry that does not say when its counters were made.

    They go on where the last process left off, so that any such time would be taken for a restart.
    """

    def collect(self) -> Iterator[Metric]:
        """All of them, without those times."""
        for metric in super().collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class Metrics:
    """Counters and histograms from the log, and gauges of how the queues are.

    Counters begin with the first event of the log, unless told otherwise, so that they go on where
    they were when this is started anew. When retention has deleted events they start lower, which
    Prometheus takes for a restart.

    Args:
        engine: on the store.
        after: count what comes after this position only.
    """

    def __init__(self, engine: QueueEngine, after: Position = Position(0)) -> None:
        self.registry = Plain()
        self._engine = engine
        self._facts = Facts(engine.store, after)
        self._count()
        self._gauge()

    def _count(self) -> None:
        where = ("kind", "queue")
        self._events = Counter(
            "parcae_events", "What has happened.", ("event", *where), registry=self.registry
        )
        self._ends = Counter(
            "parcae_jobs_ended",
            "Jobs that have ended; reconciled: the reconciler established it.",
            (*where, "outcome", "cause", "reconciled"),
            registry=self.registry,
        )
        self._times = {
            span: Histogram(
                f"parcae_{span}_seconds",
                f"How long each {span} took.",
                (*where, "outcome"),
                buckets=BUCKETS,
                registry=self.registry,
            )
            for span in Span
        }

    def _gauge(self) -> None:
        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"parcae_{name}", says, labels, registry=self.registry)

        self._jobs = gauge("jobs", "Jobs that have not ended.", "queue", "state")
        self._oldest = gauge(
            "oldest_seconds", "For how long the one may start that may for the longest.", "queue"
        )
        self._paused = gauge("queue_paused", "Whether the queue is paused.", "queue")
        self._trust = gauge(
            "jobs_freshness", "Unended jobs by how far their status can be trusted.", "freshness"
        )
        self._workers = gauge("workers", "Workers by how they are.", "state")
        self._abandoned = gauge(
            "handlers_abandoned", "Handlers that go on although their lease is gone."
        )
        self._deliveries = gauge(
            "deliveries", "Deliveries of webhooks by where they are.", "subscription", "state"
        )
        self._sealed = gauge("sealed", "Whether all webhooks are withheld.")
        self._position = gauge("log_position", "Up to where the log was counted.")

    async def update(self, *takers: Take) -> int:
        """Count what has happened since the last time, and look how the queues are.

        Args:
            takers: who else is told of each fact: a log, or spans.

        Returns:
            How many events there were.
        """
        seen = await self._facts.catch_up(self.take, *takers)
        self._position.set(self._facts.position)
        await self._look()
        return seen

    def take(self, fact: Fact) -> None:
        """Count one fact."""
        where = {name: fact.labels.get(name, "") for name in ("kind", "queue")}
        self._events.labels(event=fact.name, **where).inc()
        if fact.ended:
            how = {name: fact.labels.get(name, "") for name in ("outcome", "cause", "reconciled")}
            self._ends.labels(**where, **how).inc()
        for one in fact.intervals:
            seconds = one.duration.total_seconds()
            self._times[one.span].labels(**where, outcome=one.outcome).observe(seconds)

    async def _look(self) -> None:
        found = await self._engine.stats(sample=0)
        for gauge in (self._jobs, self._oldest, self._paused):
            # A queue that is empty now is not told, rather than told as it was.
            gauge.clear()
        for one in found.queues:
            self._look_at(one.queue.name, one.whole, paused=one.queue.paused)
        crew = await roster(self._engine.store)
        states = Tally(one.state for one in crew)
        for state in STATES_OF_WORKERS:
            self._workers.labels(state=state).set(states[state])
        there = [one.presence for one in crew if one.state != Attendance.SILENT and one.presence]
        self._abandoned.set(sum(one.abandoned for one in there))
        await self._look_outside()
        words = await self._freshness()
        for word in Freshness:
            self._trust.labels(freshness=str(word)).set(words.get(word, 0))

    async def _look_outside(self) -> None:
        self._deliveries.clear()
        for (name, stage), number in (await self._engine.store.tally()).items():
            self._deliveries.labels(subscription=name, state=str(stage)).set(number)
        seal = (await self._engine.store.look(Named())).seal
        self._sealed.set(seal.closed)

    def _look_at(self, name: str, line: LineStatistics, *, paused: bool) -> None:
        for state in STATES:
            self._jobs.labels(queue=name, state=state).set(getattr(line.tally, state))
        oldest = line.oldest.total_seconds() if line.oldest else 0.0
        self._oldest.labels(queue=name).set(oldest)
        self._paused.labels(queue=name).set(paused)

    async def _freshness(self) -> Mapping[Freshness, int]:
        store, words, seen = self._engine.store, Tally[Freshness](), 0
        explain, query = ExplainEngine(store), Query(statuses=ALIVE, limit=1_000)
        while seen < SEEN:
            page = await store.find(query)
            found = await explain.freshness(page.jobs, store.clock.now())
            words.update(one.word for one in found)
            seen += len(page.jobs)
            if not page.cursor:
                break
            query = Query(statuses=ALIVE, limit=1_000, cursor=page.cursor)
        return words

    def text(self) -> str:
        """All of it, in Prometheus' own format."""
        return generate_latest(self.registry).decode()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it for the textfile collector of node_exporter: whole or not at all."""
        write(os.fspath(path), self.registry)
