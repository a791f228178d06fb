"""The command line as programs meet it: real processes, a real file, exit codes, JSON, one line."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from parcae import Engine, Jobs, OnLost, Timing, seconds
from parcae.values import WorkerId
from parcae_adapters.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parent.parent

APP = """
import time
from attrs import frozen
from parcae import Context, GiveUp, Jobs

jobs = Jobs()

@frozen
class Order:
    sku: str
    count: int = 1

order = jobs.saga("fulfil", Order)

@order.phase
def reserve(ctx: Context, order: Order) -> str:
    return f"{order.count} of {order.sku}"

@reserve.undo
def release(ctx: Context, order: Order, reserved: str) -> None:
    pass

@order.phase
def charge(ctx: Context, order: Order) -> int:
    if order.count > 99:
        raise GiveUp("so many\\n\\x1b[31mthere are not")
    return order.count

@jobs.job("sleep")
def sleep(ctx: Context, seconds: float) -> None:
    over = time.monotonic() + seconds
    while not ctx.cancelled and time.monotonic() < over:
        ctx.progress(1, 2, "asleep")
        time.sleep(0.02)
"""


class Shell:
    """A folder with an application in it, and commands typed there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        (folder / "shop.py").write_text(APP)
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PARCAE_", "NO_COLOR"))}
        roots = (str(ROOT / root) for root in ("kernel", "adapters"))
        self.environment = {**kept, "PYTHONPATH": os.pathsep.join(roots)}

    @contextmanager
    def start(self, *args: object, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs; it does not outlive the block."""
        with subprocess.Popen(
            [sys.executable, "-m", "parcae_adapters.cli", *map(str, args)],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def __call__(self, *args: object, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(*args, **variables) as process:
            output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        return subprocess.CompletedProcess([*map(str, args)], process.returncode, output, errors)

    def submit(self, *args: object) -> str:
        result = self("submit", "shop:jobs", *args)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(self.database)
            try:
                return await use(Engine(store))
            finally:
                await store.close()

        return asyncio.run(main())

    def run_jobs(self, *ids: str) -> None:
        """Have a worker run until these jobs have ended, and then stop."""
        with self.start("worker", "shop:jobs", "--drain", "5s") as worker:
            try:
                for job_id in ids:
                    assert self("wait", job_id, "--timeout", "20s").returncode in (0, 3, 6)
            finally:
                worker.terminate()
                _, errors = worker.communicate(timeout=20)
        assert worker.returncode == 0, errors


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def wait_until_ready(worker: subprocess.Popen[str]) -> None:
    assert worker.stderr is not None
    assert any("is ready" in line for line in worker.stderr)


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    (line,) = result.stderr.splitlines()
    assert line.startswith("parcae: ")
    assert result.stdout == ""
    return line


def test_given_a_job_that_completes_then_wait_exits_with_0(shell: Shell) -> None:
    job_id = shell.submit("fulfil", '{"sku": "A1", "count": 2}')
    shell.run_jobs(job_id)
    result = shell("wait", job_id, "--json")

    assert result.returncode == 0
    assert json.loads(result.stdout) == {
        "id": job_id,
        "status": "completed",
        "cause": None,
        "reconciled": False,
        "error": None,
        "result": 2,
    }
    assert result.stderr == ""


def test_given_a_job_that_ends_badly_then_wait_exits_with_3_and_show_tells_all(
    shell: Shell,
) -> None:
    job_id = shell.submit("fulfil", '{"sku": "A1", "count": 100}')
    shell.run_jobs(job_id)

    assert shell("wait", job_id).returncode == 3
    shown = shell("show", job_id)
    assert shown.returncode == 0
    assert "Everything that needed undoing is undone" in shown.stdout
    assert "so many \\x1b[31mthere are not" in shown.stdout
    assert "\x1b" not in shown.stdout
    document = json.loads(shell("show", job_id, "--json").stdout)
    assert (document["status"], document["cause"]) == ("compensated", "handler error")
    assert [(p["name"], p["status"], p["undo"]) for p in document["phases"]] == [
        ("reserve", "completed", "done"),
        ("charge", "failed", None),
    ]
    assert document["history"][0]["event"]["type"] == "submitted"
    assert document["history"][-1]["event"]["type"] == "compensated"


def test_given_a_job_whose_worker_was_lost_then_wait_exits_with_6(shell: Shell) -> None:
    jobs = Jobs()

    @jobs.job("lost", on_lost=OnLost(action="fail"), timing=Timing(lease=seconds(0.05)))
    def lost(ctx: object) -> None:
        raise NotImplementedError

    async def lose(engine: Engine) -> str:
        handle = await engine.submit(lost())
        await engine.claim(WorkerId("gone"), jobs.kinds, request="1")
        await asyncio.sleep(0.1)
        assert len(await engine.reconcile()) == 1
        return handle.job_id

    job_id = shell.engine(lose)
    result = shell("wait", job_id)

    assert result.returncode == 6
    assert "by the reconciler" in result.stdout


def test_given_a_job_that_does_not_end_then_wait_exits_with_7(shell: Shell) -> None:
    job_id = shell.submit("sleep", "1")
    result = shell("wait", job_id, "--timeout", "100ms")

    assert result.returncode == 7
    assert job_id in one_line(result)


def until_open(pid: int) -> None:
    """Return once the process has the database open, which is when it begins to wait."""
    files = Path(f"/proc/{pid}/fd")
    if not files.exists():
        time.sleep(3)  # Where there is no /proc, nothing else tells from outside.
        return
    while not any(name.endswith("jobs.db-wal") for name in targets(files)):
        time.sleep(0.02)


def targets(files: Path) -> Iterator[str]:
    """What a process has open; it opens and closes files meanwhile."""
    for file in files.iterdir():
        with suppress(OSError):
            yield str(file.readlink())


def test_given_somebody_who_waits_when_he_is_interrupted_then_it_exits_with_130(
    shell: Shell,
) -> None:
    job_id = shell.submit("sleep", "1")
    with shell.start("wait", job_id) as waiting:
        until_open(waiting.pid)
        waiting.send_signal(signal.SIGINT)
        output, errors = waiting.communicate(timeout=20)

    assert waiting.returncode == 130
    assert (output, errors.strip()) == ("", "parcae: interrupted")


@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("show", "x"),
        ("wait", "x"),
        ("cancel", "x"),
        ("retry", "x"),
        ("fsck",),
    ],
)
def test_given_no_database_when_one_only_looks_then_it_exits_with_4_and_makes_none(
    shell: Shell, args: tuple[str, ...]
) -> None:
    result = shell(*args)

    assert result.returncode == 4
    assert "PARCAE_DB" in one_line(result)
    assert not shell.database.exists()


def test_given_a_module_that_raises_then_it_exits_with_2_and_debug_shows_where(
    shell: Shell,
) -> None:
    (shell.folder / "broken.py").write_text("1 / 0")
    result = shell("submit", "broken:jobs", "kind")

    assert result.returncode == 2
    assert "ZeroDivisionError" in one_line(result)
    with shell.start("--debug", "submit", "broken:jobs", "kind") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "Traceback" in errors
    assert "broken.py" in errors


def test_given_a_file_that_is_no_database_then_it_exits_with_8(shell: Shell) -> None:
    shell.database.write_text("no database " * 500)
    result = shell("list")

    assert result.returncode == 8
    assert "not an SQLite database" in one_line(result)


def test_given_a_row_that_was_tampered_with_then_fsck_exits_with_8(shell: Shell) -> None:
    job_id = shell.submit("sleep", "1")
    clean = shell("fsck", "--json")
    assert clean.returncode == 0
    assert json.loads(clean.stdout) == {
        "clean": True,
        "jobs": 1,
        "aggregates": 0,
        "events": 2,
        "findings": [],
    }
    connection = sqlite3.connect(shell.database)
    with connection:
        connection.execute(
            "UPDATE parcae_jobs SET state = replace(state, '\"place\":1', '\"place\":7')"
        )
    connection.close()

    result = shell("fsck")
    assert result.returncode == 8
    assert job_id in result.stdout
    assert json.loads(shell("fsck", "--json").stdout)["clean"] is False


def test_given_a_worker_when_it_is_stopped_then_it_drains_and_exits_with_0(shell: Shell) -> None:
    job_id = shell.submit("sleep", "2")
    with shell.start("worker", "shop:jobs", "--name", "tested", "--drain", "20s") as worker:
        wait_until_ready(worker)
        shown = shell("list", "--worker", "tested", "--json")
        assert [job["id"] for job in json.loads(shown.stdout)["jobs"]] == [job_id]
        worker.send_signal(signal.SIGINT)
        output, errors = worker.communicate(timeout=20)

    assert worker.returncode == 0, errors
    assert output == ""
    assert shell("wait", job_id, "--timeout", "0").returncode in (0, 7)


def test_given_a_worker_whose_parent_ends_then_it_stops_too(shell: Shell) -> None:
    with shell.start("worker", "shop:jobs", "--stop-on-eof") as worker:
        wait_until_ready(worker)
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(20) == 0


def on_a_terminal(shell: Shell, command: str, **variables: str) -> str:
    """What ``command`` shows on a terminal of 80 columns."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    typed = [sys.executable, "-m", "parcae_adapters.cli", *command.split()]
    environment = {**shell.environment, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
    with subprocess.Popen(
        typed, cwd=shell.folder, env=environment, stdout=child, stderr=child, stdin=child
    ) as process:
        os.close(child)
        shown = b"".join(read_all(parent))
    assert process.returncode == 0, shown
    os.close(parent)
    return shown.decode()


def read_all(descriptor: int) -> Iterator[bytes]:
    try:
        while piece := os.read(descriptor, 65_536):
            yield piece
    except OSError:  # how Linux says that nobody has the other end open any more
        return


def test_given_a_terminal_then_there_are_colours_unless_no_color_is_set(shell: Shell) -> None:
    job_id = shell.submit("sleep", "1")

    coloured = on_a_terminal(shell, "list")
    plain = on_a_terminal(shell, "list", NO_COLOR="1")

    assert "\x1b[36m" in coloured
    assert job_id in coloured
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_given_no_terminal_then_nothing_is_coloured_or_cut(shell: Shell) -> None:
    job_id = shell.submit("fulfil", '{"sku": "A1"}', "--key", "k" * 100)
    listed = shell("list", COLUMNS="20")

    assert listed.returncode == 0
    assert job_id in listed.stdout
    assert "\x1b" not in listed.stdout


def test_given_environment_twins_then_options_outdo_them(shell: Shell) -> None:
    shell.submit("sleep", "1")
    elsewhere = str(shell.folder / "elsewhere.db")

    assert json.loads(shell("list", PARCAE_JSON="1").stdout)["total"] == 1
    assert shell("list", PARCAE_DB=elsewhere).returncode == 4
    assert shell("list", "--db", "jobs.db", PARCAE_DB=elsewhere).returncode == 0
    assert shell("--db", "jobs.db", "list", PARCAE_DB=elsewhere).returncode == 0
    assert shell("list", PARCAE_LIST_LIMIT="0").returncode == 2


def test_given_a_reader_that_has_seen_enough_then_nobody_complains(shell: Shell) -> None:
    job_id = shell.submit("sleep", "1")
    with shell.start("show", job_id) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(20)

    assert errors == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("driver", "extra"), [("click", "cli"), ("rich", "cli"), ("sqlite_utils", "sqlite")]
)
def test_given_an_install_without_an_extra_then_it_is_named(
    shell: Shell, driver: str, extra: str
) -> None:
    (shell.folder / "blocked").mkdir()
    (shell.folder / "blocked" / "sitecustomize.py").write_text(
        f"import sys\nsys.modules[{driver!r}] = None\n"
    )
    path = f"{shell.folder / 'blocked'}{os.pathsep}{shell.environment['PYTHONPATH']}"
    shell.database.touch()
    result = shell("list", PYTHONPATH=path)

    assert result.returncode == 1
    assert one_line(result) == (
        f"parcae: {driver} is not installed; try: pip install 'parcae[{extra}]'"
    )
