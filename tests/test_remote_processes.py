"""A server and workers without its database, as processes: killed, restarted, and all jobs end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remote_handlers import step

from parcae import Engine, JobId, Outcome, fsck
from parcae import events as e
from parcae_adapters.http.remote import RemoteEngine
from parcae_adapters.http.route import Scope
from parcae_adapters.http.tokens import add
from parcae_adapters.sqlite import SqliteStore

SOON = 60.0
HERE = Path(__file__).parent


@contextmanager
def parcae(*words: str, cwd: Path, ready: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of the command line, once it has said that it is ready; and what it said."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "parcae_adapters.cli", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert popen.stderr is not None
    with popen:
        try:
            said = ""
            while not re.search(ready, said):
                line = popen.stderr.readline()
                assert line, f"parcae {' '.join(words)} ended: {said}"
                said += line
            # What it says later must not fill the pipe and keep it from its work.
            threading.Thread(target=popen.stderr.read, daemon=True).start()
            yield popen, said
        finally:
            popen.kill()


def until(condition: Callable[[], bool]) -> None:
    """Return once it holds."""
    over = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < over
        time.sleep(0.02)


def test_given_a_killed_worker_and_a_restarted_server_when_they_are_back_then_all_jobs_end(
    tmp_path: Path,
) -> None:
    """L1, L3, S1, S3, S11: with real processes on both sides of a real socket."""
    tokens, file = tmp_path / "tokens.toml", tmp_path / "token"
    file.write_text(add(tokens, "press-room", (Scope.WORK,), None))
    token = add(tokens, "desk", (Scope.ADMIN,), None)
    folder = tmp_path / "notes"
    folder.mkdir()

    def serving(port: int = 0) -> tuple[str, ...]:
        return (
            *("serve", "--db", "jobs.db", "--tokens", "tokens.toml"),
            *("--listen", f"127.0.0.1:{port}"),
        )

    def working(url: str) -> tuple[str, ...]:
        return ("worker", "remote_handlers:jobs", "--url", url, "--token-file", "token")

    ready = r"https?://127\.0\.0\.1:\d+"
    with parcae(*serving(), cwd=tmp_path, ready=ready) as (server, said):
        found = re.search(ready, said)
        assert found is not None
        url = found[0]
        port = int(url.rpartition(":")[2])
        with (
            parcae(*working(url), cwd=tmp_path, ready="is ready") as (doomed, _),
            parcae(*working(url), cwd=tmp_path, ready="is ready") as (other, _),
        ):
            ids = asyncio.run(submitted(url, token, folder, 24))
            until(lambda: held_by(folder, doomed.pid) >= 2)
            doomed.send_signal(signal.SIGKILL)
            server.send_signal(signal.SIGKILL)
            server.wait()
            with parcae(*serving(port), cwd=tmp_path, ready=ready):
                ended = asyncio.run(outcomes(url, token, ids))
                other.send_signal(signal.SIGTERM)
                assert other.wait(SOON) == 0
    assert all(one.completed for one in ended), ended
    asyncio.run(audited(tmp_path / "jobs.db", folder, ids))


async def submitted(url: str, token: str, folder: Path, count: int) -> list[JobId]:
    async with RemoteEngine(url, token) as engine:
        handles = [
            await engine.submit(step(str(folder), 0.2), idempotency_key=str(number))
            for number in range(count)
        ]
    return [handle.job_id for handle in handles]


async def outcomes(url: str, token: str, ids: list[JobId]) -> list[Outcome[Any]]:
    async with asyncio.timeout(SOON), RemoteEngine(url, token) as engine:
        return [await engine.wait(job_id) for job_id in ids]


def held_by(folder: Path, pid: int) -> int:
    """How many phases that process has begun."""
    return sum(f"{pid} " in path.read_text() for path in folder.iterdir())


async def audited(path: Path, folder: Path, ids: list[JobId]) -> None:
    """Everything is as it should be, whoever was killed."""
    async with Engine(SqliteStore(path)) as engine:
        report = await fsck(engine.store)
        assert report.clean, report.findings
        losses = 0
        for job_id in ids:
            found = [one.event for one in await engine.history(job_id)]
            assert sum(isinstance(one, e.Completed) for one in found) == 1
            done = [one.phase for one in found if isinstance(one, e.PhaseCompleted)]
            assert done == ["begin", "end"]
            losses += (await engine.show(job_id)).losses
            lines = (folder / f"{job_id}.end").read_text().splitlines()
            starts = [line.split()[1] for line in lines]
            assert len(set(starts)) == len(starts), "one lease has begun a phase twice"
        assert losses, "nobody was killed in the middle of anything: the test shows nothing"
