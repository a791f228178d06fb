"""``parcae worker --url``: what is refused before it begins, and a worker that works."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from http_server import TOKENS, access, served
from remote_handlers import step

from parcae import Engine
from parcae_adapters.cli.codes import Exit
from parcae_adapters.http.app import make_app
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore

HERE = Path(__file__).parent


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "parcae_adapters.cli", "worker", "remote_handlers:jobs", *words]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), **more}


@pytest.mark.parametrize(
    ("words", "more", "code", "says"),
    [
        (["--url", "http://127.0.0.1:9"], {}, Exit.USAGE, "--token-file"),
        (["--url", "http://jobs.example"], {"PARCAE_TOKEN": "t"}, Exit.USAGE, "https://"),
        (["--url", "jobs.example"], {"PARCAE_TOKEN": "t"}, Exit.USAGE, "expected an address"),
        (
            ["--url", "http://127.0.0.1:9"],
            {"PARCAE_TOKEN": "t", "PARCAE_SEALED": "1"},
            Exit.UNHEALTHY,
            "PARCAE_SEALED",
        ),
    ],
    ids=["no token", "in the clear", "no address", "sealed"],
)
def test_given_what_cannot_work_when_a_remote_worker_is_started_then_it_says_so_and_ends(
    words: list[str], more: dict[str, str], code: Exit, says: str
) -> None:
    ended = subprocess.run(
        command(*words), env=environment(**more), capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, says in ended.stderr) == (code, True), ended.stderr
    assert ended.stderr.count("\n") == 1


def test_given_a_token_when_the_server_refuses_it_then_the_worker_ends_and_shows_it_to_nobody(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        host = Engine(MemoryStore())
        file = tmp_path / "token"
        file.write_text("parcae_s3cr3t")
        async with served(make_app(host, access=access())) as url:
            words = command("--url", url, "--token-file", str(file))
            options = {"env": environment(), "stderr": subprocess.PIPE}
            refused = await asyncio.create_subprocess_exec(*words, **options)  # type: ignore[arg-type]
            _, said = await asyncio.wait_for(refused.communicate(), 30)
            assert refused.returncode == Exit.UNHEALTHY
            assert b"refuses us" in said
            assert b"s3cr3t" not in said
            file.write_text(TOKENS[Scope.WORK])
            working = await asyncio.create_subprocess_exec(*words, **options)  # type: ignore[arg-type]
            handle = await host.submit(step(str(tmp_path), 0.0))
            outcome = await asyncio.wait_for(handle.wait(), 30)
            assert outcome.result == working.pid
            working.send_signal(signal.SIGTERM)
            _, said = await asyncio.wait_for(working.communicate(), 30)
            assert working.returncode == 0
            assert TOKENS[Scope.WORK].encode() not in said

    asyncio.run(scenario())
