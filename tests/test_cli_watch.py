"""``watch``: one line for each change, a picture on a terminal, and the exit code of ``wait``."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, GiveUp, Graph, Jobs, OnLost, Timing, seconds
from parcae.values import JobId, WorkerId
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.watched import Scope
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import Worker

ROOT = Path(__file__).resolve().parent.parent

jobs = Jobs()


@jobs.job("greet")
def greet(ctx: Context, name: str) -> None:  # noqa: ARG001
    if name == "nobody":
        raise GiveUp("there is nobody")


@jobs.job(
    "final",
    timing=Timing(lease=seconds(0.05), renewal=seconds(0.01)),
    on_lost=OnLost(action="fail"),
)
def final(ctx: Context) -> None:
    """Loses its lease at once, and ends by that."""


class Shop:
    """A database, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(self.database, durability="normal")
            async with Engine(store) as engine:
                return await use(engine)

        return asyncio.run(main())

    def submit(self, name: str) -> JobId:
        async def submit(engine: Engine) -> JobId:
            return (await engine.submit(greet(name))).job_id

        found: JobId = self.engine(submit)
        return found

    def run(self, job_id: JobId) -> None:
        async def run(engine: Engine) -> None:
            async with Worker(engine, jobs):
                await engine.wait(job_id, seconds(20))

        self.engine(run)

    def lose(self) -> tuple[JobId, str]:
        """A graph of one job that was lost."""

        async def lose(engine: Engine) -> tuple[JobId, str]:
            graph = Graph()
            graph.add(final())
            handle = await engine.submit_graph(graph)
            await engine.claim(WorkerId("gone"), jobs.kinds, request="1")
            await asyncio.sleep(0.1)
            await engine.reconcile()
            return handle.jobs[0], handle.group_id

        found: tuple[JobId, str] = self.engine(lose)
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "jobs.db")


@contextmanager
def started(*args: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    roots = os.pathsep.join(str(ROOT / root) for root in ("kernel", "adapters"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-m", "parcae_adapters.cli", *map(str, args)],
        env={**os.environ, "PYTHONPATH": roots, "TERM": "xterm", "COLUMNS": "100"},
        **{**pipes, **options},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_given_an_ended_job_when_watched_then_all_is_told_and_the_code_is_that_of_wait(
    shop: Shop,
) -> None:
    well, badly = shop.submit("you"), shop.submit("nobody")
    shop.run(well)
    shop.run(badly)
    result = shop("watch", well, "--jsonl")
    assert result.exit_code == Exit.OK
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0]["event"]["type"] == "submitted"
    assert lines[-1]["event"]["type"] == "completed"
    assert {one["stream"] for one in lines} == {well}
    plain = shop("watch", badly)
    assert plain.exit_code == Exit.JOB_FAILED
    assert "there is nobody" in plain.stdout.splitlines()[-1]


def test_given_a_lost_job_then_watch_and_wait_tell_it_from_a_failed_one(shop: Shop) -> None:
    job_id, group = shop.lose()
    assert shop("watch", job_id).exit_code == Exit.JOB_LOST
    assert shop("wait", job_id).exit_code == Exit.JOB_LOST
    assert shop("watch", "--group", group).exit_code == Exit.JOB_LOST
    assert shop("group", "wait", group).exit_code == Exit.JOB_LOST


def test_given_two_things_to_watch_then_it_is_wrong_usage(shop: Shop) -> None:
    job_id = shop.submit("you")
    assert shop("watch", job_id, "--queue", "default").exit_code == Exit.USAGE
    assert shop("watch", "ffffffff").exit_code == Exit.NOT_FOUND


def test_given_a_job_that_goes_on_then_each_change_is_a_line_as_it_comes(shop: Shop) -> None:
    job_id = shop.submit("you")
    with started("watch", job_id, "--jsonl", "--db", shop.database) as process:
        assert process.stdout is not None
        begun = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [one["event"]["type"] for one in begun] == ["submitted", "scheduled"]
        shop.run(job_id)
        rest = [json.loads(line) for line in process.stdout]
        assert rest[-1]["event"]["type"] == "completed"
        assert process.wait(20) == 0


def test_given_a_queue_then_what_happens_elsewhere_is_left_out_and_ctrl_c_ends_it(
    shop: Shop,
) -> None:
    shop.submit("you")

    async def more(engine: Engine) -> None:
        for pause in (engine.pause, engine.resume_queue):
            await pause("elsewhere")
            await pause("default")

    with started("watch", "--queue", "default", "--jsonl", "--db", shop.database) as process:
        assert process.stdout is not None
        # It says nothing when it begins to listen, and what came before is not told.
        while not select.select([process.stdout], [], [], 0.2)[0]:
            shop.engine(more)
        line = json.loads(process.stdout.readline())
        assert line["stream"] == "queue/default"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == Exit.INTERRUPTED


def test_given_a_scope_then_only_its_own_events_concern_it(shop: Shop) -> None:
    job_id = shop.submit("you")

    async def look(engine: Engine) -> None:
        graph = Graph()
        graph.add(greet("me"))
        handle = await engine.submit_graph(graph)
        await engine.pause("other")
        log = await engine.store.log()

        async def told(scope: Scope) -> set[str]:
            return {one.stream for one in log if await scope.concerns(one)}

        assert await told(Scope(engine, job_id=job_id)) == {job_id}
        assert await told(Scope(engine, group_id=handle.group_id)) == {
            handle.group_id,
            handle.jobs[0],
        }
        assert await told(Scope(engine, queue="other")) == {"queue/other"}
        assert await told(Scope(engine)) == {one.stream for one in log}
        assert await Scope(engine).ended() is None

    shop.engine(look)


def test_given_a_terminal_then_a_picture_is_shown_until_the_end(shop: Shop) -> None:
    job_id = shop.submit("you")
    shop.run(job_id)
    ours, theirs = pty.openpty()
    try:
        options = {"stdout": theirs, "stderr": theirs}
        with started("watch", job_id, "--db", shop.database, **options) as process:
            shown = b""
            while process.poll() is None or select.select([ours], [], [], 0)[0]:
                if select.select([ours], [], [], 0.1)[0]:
                    shown += os.read(ours, 65_536)
            assert process.returncode == 0
    finally:
        os.close(ours)
        os.close(theirs)
    text = shown.decode()
    assert job_id in text
    assert "completed" in text
    assert "settled" in text


def test_given_a_terminal_and_a_group_then_its_jobs_are_counted(shop: Shop) -> None:
    _, group = shop.lose()
    ours, theirs = pty.openpty()
    try:
        options = {"stdout": theirs, "stderr": theirs}
        with started("watch", "--group", group, "--db", shop.database, **options) as process:
            assert process.wait(20) == Exit.JOB_LOST
            shown = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "1" in shown
    assert "failed" in shown
