"""``export`` and ``import``: what was there is there again, or nothing is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, GiveUp, Graph, Jobs, Query, Timing, Unique, fsck, seconds
from parcae.archive import Line
from parcae.archive_engine import ArchiveEngine
from parcae.retention_engine import RetentionEngine
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import schedule_stream
from parcae.values import JobId, WorkerId
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.clock import ManualClock
from parcae_adapters.cron import CronCalendar
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle

jobs = Jobs()
order = jobs.saga("fulfil", str)


@order.phase
def reserve(ctx: Context, what: str) -> str:  # noqa: ARG001
    return f"{what} é☃"


@reserve.undo
def release(ctx: Context, what: str, reserved: str | None) -> None:
    """Let go."""


@order.phase
def charge(ctx: Context, what: str) -> None:  # noqa: ARG001
    if what == "dear":
        raise GiveUp("no money")


@jobs.job("long", timing=Timing(lease=seconds(30)))
def long(ctx: Context) -> None:
    """Held by somebody."""


Use = Callable[[Engine], Coroutine[Any, Any, Any]]


async def fill(engine: Engine) -> dict[str, Any]:
    """Something of everything."""
    await engine.submit(order("cheap"))
    newest = (await engine.submit(order("dear"))).job_id
    await run_until_idle(engine, jobs)
    again = await engine.retry(newest, idempotency_key="again")
    held = await engine.submit(long(), key="tenant", unique=Unique(name="one"))
    await engine.claim(WorkerId("w"), frozenset({"long"}), request="1")
    waits = await engine.submit(order("late"), after=[held.job_id])
    graph = Graph()
    first = graph.add(order("g1"))
    graph.add(order("g2"), after=[first])
    handle = await engine.submit_graph(graph)
    await engine.limit("default", 7)
    await engine.rate("default", 9, seconds(1))
    await RetentionEngine(engine.store).hold(newest, by="court", reason="case 7")
    scheduler = SchedulerEngine(engine.store, CronCalendar())
    await scheduler.schedule("nightly", long(), "0 3 * * *")
    return {
        "taken": newest,
        "again": again.job_id,
        "held": held.job_id,
        "waits": waits.job_id,
        "group": handle.group_id,
    }


async def exported(engine: Engine, query: Query | None = None) -> list[Line]:
    lines = [line async for line in ArchiveEngine(engine.store).export(query)]
    # As in a file: nothing but what JSON can say.
    return [json.loads(json.dumps(line)) for line in lines]


async def restored(engine: Engine, lines: list[Line]) -> int:
    archive = ArchiveEngine(engine.store)
    plan = await archive.check(lambda: iter(lines))
    return await archive.restore(lambda: iter(lines), plan)


async def everything(engine: Engine) -> dict[str, Any]:
    """All that can be seen of a store, without positions."""
    page = await engine.find(Query(limit=1_000))
    found: dict[str, Any] = {}
    for one in page.jobs:
        history = await engine.history(one.job.id)
        names = ("payload", "result/reserve", "result/charge")
        blobs = await engine.store.blobs(one.job.id, names)
        found[one.job.id] = (one, [each.event for each in history], dict(blobs))
    for aggregate in await engine.store.aggregates():
        found[str(aggregate)[:60]] = aggregate
    return found


@pytest.fixture(params=["memory", "sqlite"])
def transfer(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Fills a store, takes its lines, and does something with them and an empty one."""

    def play(use: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            clock = ManualClock()
            empty: Any = MemoryStore(clock=clock)
            if request.param == "sqlite":
                empty = SqliteStore(tmp_path / "to.db", clock=clock, durability="normal")
            async with Engine(MemoryStore(clock=clock)) as source, Engine(empty) as target:
                names = await fill(source)
                return await use(source, target, names)

        return asyncio.run(main())

    return play


def test_given_a_store_when_restored_elsewhere_then_all_of_it_is_the_same(
    transfer: Callable[..., Any],
) -> None:
    async def use(source: Engine, target: Engine, names: dict[str, Any]) -> None:
        lines = await exported(source)
        assert await restored(target, lines) == len(lines) - 2
        assert await everything(target) == await everything(source)
        report = await fsck(target.store)
        assert report.findings == ()
        assert [line for line in await exported(target) if "stream" in line] == [
            line for line in lines if "stream" in line
        ]
        # Positions follow the order of the file.
        order_of_file = [line["stream"] for line in lines if "stream" in line]
        seen = dict.fromkeys(one.stream for one in await target.store.log())
        assert list(seen) == order_of_file
        again = await target.store.aggregate(schedule_stream("nightly"))
        assert again == await source.store.aggregate(schedule_stream("nightly"))
        assert names["waits"] in order_of_file

    transfer(use)


def test_given_a_restored_store_then_its_jobs_go_on_to_their_ends(
    transfer: Callable[..., Any],
) -> None:
    async def use(source: Engine, target: Engine, names: dict[str, Any]) -> None:
        await restored(target, await exported(source))
        await run_until_idle(target, jobs)
        page = await target.find(Query(limit=1_000))
        assert all(one.job.status.is_terminal for one in page.jobs)
        assert (await target.show(names["waits"])).status == "completed"
        assert (await target.group(names["group"])).status == "completed"
        assert (await fsck(target.store)).clean
        # What somebody has taken up cannot be taken up again, and a hold still holds.
        with pytest.raises(Exception, match=r"already|taken"):
            await target.retry(names["taken"])
        with pytest.raises(Exception, match="legal hold"):
            await target.delete(names["taken"])
        assert (await target.submit(long(), unique=Unique(name="one"))).job_id

    transfer(use)


def test_given_what_is_there_already_then_nothing_is_written(
    transfer: Callable[..., Any],
) -> None:
    async def use(source: Engine, target: Engine, names: dict[str, Any]) -> None:
        lines = await exported(source)
        await target.limit("default", 1)
        before = await everything(target)
        with pytest.raises(Exception, match="queue/default is there already"):
            await restored(target, lines)
        assert await everything(target) == before
        with pytest.raises(Exception, match="is there already"):
            await restored(source, lines)
        assert names

    transfer(use)


def test_given_jobs_of_a_query_then_only_they_are_in_the_file(
    transfer: Callable[..., Any],
) -> None:
    async def use(source: Engine, target: Engine, names: dict[str, Any]) -> None:
        lines = await exported(source, Query(group=names["group"]))
        assert await restored(target, lines) == 3
        lonely = await exported(source, Query(queues=frozenset({"default"})))
        wanted = [one for one in lonely if one.get("stream", names["waits"]) == names["waits"]]
        wanted[-1]["histories"] = 1
        with pytest.raises(Exception, match="neither in the file nor here"):
            await restored(target, wanted)

    transfer(use)


def test_given_an_import_that_was_interrupted_then_it_is_resumed(
    transfer: Callable[..., Any],
) -> None:
    async def use(source: Engine, target: Engine, names: dict[str, Any]) -> None:
        lines = await exported(source)
        archive = ArchiveEngine(target.store)
        plan = await archive.check(lambda: iter(lines))
        with pytest.raises(Exception, match="cut off"):
            await archive.restore(lambda: iter(lines[:4]), plan)
        assert len(await target.store.log()) > 0
        plan = await archive.check(lambda: iter(lines), resume=True)
        assert len(plan.present) == 3
        assert await archive.restore(lambda: iter(lines), plan) == len(lines) - 5
        assert await everything(target) == await everything(source)
        await run_until_idle(target, jobs)
        plan = await archive.check(lambda: iter(lines), resume=True)
        assert plan.present == set(plan.streams)
        await source.annotate(names["taken"], "seen")
        other = await exported(source)
        with pytest.raises(Exception, match="is there already"):
            await archive.check(lambda: iter(other), resume=True)

    transfer(use)


def spoiled(change: Callable[[list[Line]], None]) -> str:
    """What is said to a file that was changed; nothing of it is stored."""

    async def main() -> str:
        clock = ManualClock()
        async with Engine(MemoryStore(clock=clock)) as source, Engine(MemoryStore()) as target:
            await source.submit(order("cheap"))
            await run_until_idle(source, jobs)
            lines = await exported(source)
            change(lines)
            with pytest.raises(Exception) as raised:  # noqa: PT011 - what it says is the test
                await restored(target, lines)
            assert list(await target.store.log()) == []
            return str(raised.value)

    return asyncio.run(main())


def _drop(index: int) -> Callable[[list[Line]], None]:
    return lambda lines: lines.__delitem__(index)


def _set(path: tuple[Any, ...], value: Any) -> Callable[[list[Line]], None]:
    def change(lines: list[Line]) -> None:
        at: Any = lines
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_drop(0), "no file of histories"),
        (_drop(-1), "cut off"),
        (_drop(1), "says it has 1 histories: 0"),
        (lambda lines: lines.append({}), "goes on after its end"),
        (lambda lines: lines.insert(1, lines[1]), "twice"),
        (_set((0, "version"), 2), "of version 2"),
        (_set((1, "events", 0, "type"), "nonsense"), "unknown type"),
        (lambda lines: lines[1]["events"].pop(1), "cannot follow|did not lead|is not"),
        (_set((1, "blobs", "payload"), "e30="), "not those of its history"),
        (lambda lines: lines[1]["blobs"].pop("payload"), "payload is missing"),
        (_set((1, "blobs", "payload"), "?"), "damaged line"),
        (_set((1, "stream"), "queue/x"), "does not belong there"),
        (_set((1, "liveness"), {"schema": 1}), "damaged"),
    ],
)
def test_given_a_file_that_was_changed_then_it_is_refused_whole(
    change: Callable[[list[Line]], None], says: str
) -> None:
    assert re.search(says, spoiled(change))


def test_given_the_verbs_then_a_file_goes_from_one_database_to_another(tmp_path: Path) -> None:
    source, target, file = tmp_path / "a.db", tmp_path / "b.db", tmp_path / "jobs.jsonl"

    def typed(*args: object) -> Result:
        result = CliRunner().invoke(parcae, [*map(str, args)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    async def submit() -> JobId:
        async with Engine(SqliteStore(source)) as engine:
            return (await engine.submit(long())).job_id

    job_id = asyncio.run(submit())
    done = typed("export", "--db", source)
    assert done.stderr == "1 histories.\n"
    file.write_text(done.stdout)
    assert typed("import", file, "--dry-run", "--db", target).exit_code == Exit.OK
    assert "No such job" in typed("list", "--db", target).stderr
    assert typed("import", file, "--db", target).stdout == "1 histories were restored.\n"
    assert job_id in typed("list", "--db", target).stdout
    assert typed("import", file, "--db", target).exit_code == Exit.CONFLICT
    file.write_text("{}\n")
    assert typed("import", file, "--db", target).exit_code == Exit.USAGE
    file.write_text("nonsense\n")
    assert typed("import", file, "--db", target).exit_code == Exit.UNHEALTHY
