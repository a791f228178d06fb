"""One projection for metrics, logs and traces: what an event means, and how long what took."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from parcae import Context, Engine, GiveUp, Jobs, Retry, Timing, seconds
from parcae.codec import TAGS
from parcae.measures import waits
from parcae.projection import NAMES, Fact, Interval, Span, projected
from parcae.values import JobId, Position, WorkerId, minutes
from parcae.workers import Presence
from parcae_adapters.cli import missing
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.clock import ManualClock
from parcae_adapters.facts import Facts
from parcae_adapters.logs import JsonFormatter, in_hand, log_fact
from parcae_adapters.memory import MemoryStore
from parcae_adapters.metrics import Metrics
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_adapters.tracing import Spans, context_of
from parcae_adapters.worker import Worker
from parcae_specs.scenarios import SCENARIOS, play

ROOT = Path(__file__).resolve().parent.parent
CLOCK: list[ManualClock] = []

jobs = Jobs()
order = jobs.saga("fulfil", str, retry=Retry(max_attempts=2, jitter=0))


def takes(duration: float) -> None:
    """So long by the clock that is moved by hand."""
    CLOCK[-1].advance(seconds(duration))


@order.phase
def reserve(ctx: Context, what: str) -> str:  # noqa: ARG001
    takes(2)
    return what


@reserve.undo
def release(ctx: Context, what: str, reserved: str | None) -> None:  # noqa: ARG001
    takes(4)


@order.phase
def charge(ctx: Context, what: str) -> None:  # noqa: ARG001
    takes(3)
    if what == "dear":
        raise GiveUp("no money")


@jobs.job("greet", timing=Timing(lease=seconds(30)))
def greet(ctx: Context) -> None:  # noqa: ARG001
    logging.getLogger("handlers").warning("hello")


def played(use: Callable[[Engine, ManualClock], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        CLOCK.append(ManualClock())
        async with Engine(MemoryStore(clock=CLOCK[-1])) as engine:
            return await use(engine, CLOCK[-1])

    return asyncio.run(main())


async def facts_of(engine: Engine) -> list[Fact]:
    found: list[Fact] = []
    await Facts(engine.store).catch_up(found.append)
    return found


def test_given_every_event_then_it_has_a_name_of_its_own() -> None:
    assert dict(NAMES) == {kind: tag for tag, kind in TAGS.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_given_any_lawful_history_then_it_is_projected_whole(name: str) -> None:
    story = play(name)
    found = [fact for _, fact in projected(JobId(story.job_id), story.history)]
    assert [one.name for one in found] == [NAMES[type(event)] for event in story.history]
    assert sum(one.ended for one in found) <= 1
    intervals = [one for fact in found for one in fact.intervals]
    assert all(one.duration >= timedelta(0) for one in intervals)
    # Nobody waits while somebody works on it, and the queues' statistics count the same.
    attempts_made = [one for one in intervals if one.span is Span.ATTEMPT]
    for wait in (one for one in intervals if one.span is Span.WAIT):
        assert all(wait.began >= one.ended or wait.ended <= one.began for one in attempts_made), (
            wait
        )
    forward = [
        one.duration
        for fact in found
        for one in fact.intervals
        if one.span is Span.WAIT and fact.name == "started"
    ]
    assert forward == list(waits(story.history))
    starts = sum(one.name == "started" for one in found)
    attempts = sum(one.span is Span.ATTEMPT for one in intervals)
    assert starts - attempts in (0, 1)


def test_given_a_job_that_completes_then_its_times_are_told() -> None:
    async def use(engine: Engine, clock: ManualClock) -> list[Fact]:
        await engine.submit(order("cheap"))
        clock.advance(seconds(7))
        await run_until_idle(engine, jobs)
        return await facts_of(engine)

    facts: list[Fact] = played(use)
    times = [
        (one.span, one.phase, one.duration.total_seconds(), one.outcome)
        for fact in facts
        for one in fact.intervals
    ]
    assert times == [
        (Span.WAIT, None, 7, "started"),
        (Span.PHASE, "reserve", 2, "completed"),
        (Span.PHASE, "charge", 3, "completed"),
        (Span.ATTEMPT, None, 5, "completed"),
    ]
    assert facts[-1].ended
    assert dict(facts[-1].labels) == {
        "kind": "fulfil",
        "queue": "default",
        "outcome": "completed",
        "cause": "",
        "reconciled": "no",
    }
    assert (facts[-1].attempt, facts[-1].token, facts[-1].worker) == (1, 1, "test")


def test_given_a_job_that_is_undone_then_what_failed_and_the_undo_are_told() -> None:
    async def use(engine: Engine, _: ManualClock) -> list[Fact]:
        await engine.submit(order("dear"))
        await run_until_idle(engine, jobs)
        return await facts_of(engine)

    facts: list[Fact] = played(use)
    over: list[Interval] = [one for fact in facts for one in fact.intervals]
    assert [(one.span, one.outcome) for one in over if one.span is not Span.WAIT] == [
        (Span.PHASE, "completed"),
        (Span.PHASE, "handler error"),
        (Span.ATTEMPT, "handler error"),
        (Span.UNDO, "completed"),
    ]
    assert over[-1].duration == seconds(4)
    assert facts[-1].labels["outcome"] == "compensated"


def test_given_a_lease_that_was_found_lost_late_then_nothing_waited_while_it_was_held() -> None:
    """The next attempt counts from the expiry (S30); who waits is waiting from the reclaim on."""

    async def use(engine: Engine, clock: ManualClock) -> list[Fact]:
        await engine.submit(greet())
        await engine.claim(WorkerId("gone"), jobs.kinds, request="1")
        clock.advance(minutes(10))
        await engine.reconcile()
        clock.advance(seconds(3))
        await engine.claim(WorkerId("here"), jobs.kinds, request="2")
        return await facts_of(engine)

    facts: list[Fact] = played(use)
    found = [(one.span, one.duration) for fact in facts for one in fact.intervals]
    assert found == [
        (Span.WAIT, seconds(0)),
        (Span.ATTEMPT, minutes(10)),
        (Span.WAIT, seconds(3)),
    ]


def test_given_a_lost_lease_then_the_reconciler_is_named_for_it() -> None:
    async def use(engine: Engine, clock: ManualClock) -> list[Fact]:
        job_id = (await engine.submit(greet())).job_id
        await engine.claim(WorkerId("gone"), jobs.kinds, request="1")
        clock.advance(minutes(1))
        await engine.reconcile()
        await engine.annotate(job_id, "seen")
        await engine.cancel(job_id)
        await engine.annotate(job_id, "seen again")
        await engine.delete(job_id)
        await engine.pause("default")
        return await facts_of(engine)

    facts: list[Fact] = played(use)
    # Of a deleted job only that is left, and of a queue there is nothing but a name.
    assert [one.name for one in facts] == ["deleted", "queue-paused"]
    assert dict(facts[0].labels) == {}


def test_given_a_follower_that_starts_in_the_middle_then_it_knows_what_it_has_to() -> None:
    async def use(engine: Engine, clock: ManualClock) -> tuple[list[Fact], list[Fact]]:
        job_id = (await engine.submit(greet())).job_id
        await engine.claim(WorkerId("gone"), jobs.kinds, request="1")
        every, late = Facts(engine.store), Facts(engine.store, Position(3))
        whole: list[Fact] = []
        found: list[Fact] = []
        await every.catch_up(whole.append)
        await late.catch_up(found.append)
        clock.advance(minutes(1))
        await engine.reconcile()
        await engine.cancel(job_id)
        await engine.annotate(job_id, "seen")
        await every.catch_up(whole.append)
        await late.catch_up(found.append)
        return whole[3:], found

    whole, found = played(use)
    assert found == whole
    assert [one.name for one in found] == ["retry-scheduled", "cancelled", "annotated"]
    assert found[0].intervals[-1].outcome == "lease lost"


def samples(metrics: Metrics) -> Mapping[str, float]:
    lines = (line.rsplit(" ", 1) for line in metrics.text().splitlines() if line[0] != "#")
    return {name: float(value) for name, value in lines}


def test_given_jobs_then_metrics_count_events_ends_times_and_queues() -> None:
    async def use(engine: Engine, clock: ManualClock) -> Mapping[str, float]:
        for what in ("cheap", "dear"):
            await engine.submit(order(what))
            await run_until_idle(engine, jobs)
        await engine.submit(greet())
        clock.advance(minutes(2))
        await engine.pause("other")
        now = clock.now()
        there = Presence(
            id=WorkerId("ida"),
            kinds=("greet",),
            capacity=2,
            abandoned=1,
            started_at=now,
            heard_at=now,
            until=now + minutes(1),
        )
        await engine.enlist(there)
        metrics = Metrics(engine)
        seen = await metrics.update()
        assert await metrics.update() == 0
        assert seen == len(await engine.store.log())
        return samples(metrics)

    found: Mapping[str, float] = played(use)
    where = 'kind="fulfil",queue="default"'
    assert found[f'parcae_events_total{{event="submitted",{where}}}'] == 2
    ended = 'parcae_jobs_ended_total{cause="",kind="fulfil",outcome="completed",queue="default"'
    assert found[f'{ended},reconciled="no"}}'] == 1
    spent = 'parcae_attempt_seconds_sum{kind="fulfil",outcome="completed",queue="default"}'
    assert found[spent] == 5
    assert found['parcae_jobs{queue="default",state="waiting"}'] == 1
    assert found['parcae_oldest_seconds{queue="default"}'] == 120
    assert found['parcae_queue_paused{queue="other"}'] == 1
    assert found['parcae_jobs_freshness{freshness="late"}'] == 1
    assert found['parcae_workers{state="idle"}'] == 1
    assert found['parcae_workers{state="busy"}'] == 0
    assert found["parcae_handlers_abandoned"] == 1
    assert found["parcae_log_position"] > 0


def test_given_the_verb_then_metrics_go_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    database, target = tmp_path / "jobs.db", tmp_path / "parcae.prom"

    async def submit() -> None:
        async with Engine(SqliteStore(database)) as engine:
            await engine.submit(greet())

    asyncio.run(submit())
    where = ("--db", str(database))
    printed = CliRunner().invoke(parcae, ["metrics", *where])
    assert printed.exit_code == Exit.OK
    assert 'parcae_events_total{event="submitted",kind="greet",queue="default"} 1.0' in (
        printed.stdout
    )
    written = CliRunner().invoke(parcae, ["metrics", "--textfile", str(target), "--once", *where])
    assert written.exit_code == Exit.OK

    def gist(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("parcae_oldest")]

    assert gist(target.read_text()) == gist(printed.stdout)
    assert [one.name for one in tmp_path.glob("*.prom*")] == ["parcae.prom"]
    assert CliRunner().invoke(parcae, ["metrics", "--once", *where]).exit_code == Exit.USAGE


@contextmanager
def started(*args: object) -> Iterator[subprocess.Popen[str]]:
    roots = os.pathsep.join(str(ROOT / root) for root in ("kernel", "adapters"))
    with subprocess.Popen(
        [sys.executable, "-m", "parcae_adapters.cli", *map(str, args)],
        env={**os.environ, "PYTHONPATH": roots},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_given_the_verb_in_a_loop_then_it_logs_each_event_and_sigterm_ends_it(
    tmp_path: Path,
) -> None:
    database, target = tmp_path / "jobs.db", tmp_path / "parcae.prom"

    async def submit() -> str:
        async with Engine(SqliteStore(database)) as engine:
            return (await engine.submit(greet())).job_id

    job_id = asyncio.run(submit())
    args = ("--textfile", target, "--every", "50ms", "--log", "--db", database)
    with started("metrics", *args) as process:
        assert process.stderr is not None
        assert "Writing" in process.stderr.readline()
        line = json.loads(process.stderr.readline())
        assert (line["message"], line["job_id"], line["kind"]) == ("submitted", job_id, "greet")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert target.exists()


def test_given_a_driver_that_is_missing_then_the_extra_is_named() -> None:
    for driver, extra in (("prometheus_client", "metrics"), ("opentelemetry", "otel")):
        assert f"parcae[{extra}]" in missing(ModuleNotFoundError(name=driver))


def logged(use: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        use(logger)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_given_a_job_in_hand_then_each_line_says_which() -> None:
    def use(logger: logging.Logger) -> None:
        logger.warning("nothing\nin hand")
        with in_hand(job_id="a", attempt=2, token=5):
            logger.warning("x")
            try:
                raise ValueError("so")
            except ValueError:
                logger.exception("y")

    first, second, third = logged(use)
    assert (first["message"], first["job_id"], first["level"]) == (
        "nothing\nin hand",
        None,
        "warning",
    )
    assert (second["job_id"], second["attempt"], second["token"]) == ("a", 2, 5)
    assert "ValueError: so" in third["exception"]


def test_given_a_worker_then_what_its_handlers_log_names_the_job(tmp_path: Path) -> None:
    def use(_: logging.Logger) -> None:
        async def main() -> None:
            async with Engine(SqliteStore(tmp_path / "jobs.db", durability="normal")) as engine:
                handle = await engine.submit(greet())
                ids.append(handle.job_id)
                async with Worker(engine, jobs):
                    await handle.wait(seconds(20))

        asyncio.run(main())

    ids: list[str] = []
    (line,) = [one for one in logged(use) if one["logger"] == "handlers"]
    assert (line["job_id"], line["attempt"], line["token"]) == (ids[0], 1, 1)


def test_given_a_fact_then_its_log_line_says_what_the_metrics_count() -> None:
    async def use(engine: Engine, _: ManualClock) -> list[Fact]:
        await engine.submit(order("cheap"))
        await run_until_idle(engine, jobs)
        return await facts_of(engine)

    last: Fact = played(use)[-1]
    (line,) = logged(lambda _: log_fact(last))
    assert line["message"] == "completed"
    assert line["outcome"] == "completed"
    assert line["seconds"] == {"attempt": 5}
    assert (line["token"], line["worker"]) == (1, "test")


def test_given_jobs_then_each_attempt_is_a_span_linked_to_its_submission() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("tested"))

    async def use(engine: Engine, _: ManualClock) -> str:
        handle = await engine.submit(order("dear"))
        await run_until_idle(engine, jobs)
        await Facts(engine.store).catch_up(spans.take)
        return handle.job_id

    job_id = JobId(played(use))
    found: dict[str, ReadableSpan] = {one.name: one for one in exporter.get_finished_spans()}
    assert found.keys() == {"fulfil attempt", "phase reserve", "phase charge", "undo reserve"}
    attempt, charged = found["fulfil attempt"], found["phase charge"]
    assert attempt.context is not None
    assert attempt.context.trace_id == UUID(job_id).int
    assert [link.context for link in attempt.links] == [context_of(job_id)]
    assert charged.parent is not None
    assert charged.parent.span_id == attempt.context.span_id
    assert attempt.attributes is not None
    assert attempt.attributes["parcae.token"] == 1
    assert attempt.status.status_code is StatusCode.ERROR
    assert charged.start_time is not None
    assert charged.end_time is not None
    assert charged.end_time - charged.start_time == 3 * 10**9
    undone = found["undo reserve"].parent
    assert undone is not None
    assert undone.span_id == context_of(job_id).span_id


def test_given_a_worker_with_json_logs_then_every_line_is_json(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import logging\nfrom parcae import Context, Jobs\njobs = Jobs()\n"
        "@jobs.job('greet')\n"
        "def greet(ctx: Context) -> None:\n    logging.getLogger('shop').info('hello')\n"
    )
    database = tmp_path / "jobs.db"

    async def submit() -> str:
        async with Engine(SqliteStore(database)) as engine:
            return (await engine.submit(greet())).job_id

    job_id = asyncio.run(submit())
    roots = os.pathsep.join(str(ROOT / root) for root in ("kernel", "adapters"))
    arguments = ("worker", "shop:jobs", "--log-format", "json", "--db", str(database))
    with subprocess.Popen(
        [sys.executable, "-m", "parcae_adapters.cli", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": roots},
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            assert worker.stderr is not None
            lines: list[dict[str, Any]] = []
            while not lines or lines[-1]["message"] != "hello":
                lines.append(json.loads(worker.stderr.readline()))
            worker.terminate()
            assert worker.wait(20) == 0
        finally:
            worker.kill()
    assert (lines[-1]["job_id"], lines[-1]["attempt"], lines[-1]["token"]) == (job_id, 1, 1)
    assert any("is ready" in str(line["message"]) for line in lines)
