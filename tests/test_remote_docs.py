"""The workers in other languages that docs/remote-workers.md prints: run as they stand there."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import FAULTS, Fate, between
from http_server import TOKENS, access, served

from parcae import CancelOutcome, Context, Engine, Jobs, Retry, Status, Timing, fsck, seconds
from parcae_adapters.http.app import make_app
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore

PAGE = Path(__file__).parents[1] / "docs/remote-workers.md"
SOON = 90.0

JOBS = Jobs()
LETTER = JOBS.saga(
    "letter",
    # Nobody reconciles here: however slow the machine is, no lease may run out between two calls.
    timing=Timing(lease=seconds(60), renewal=seconds(1), attempt=seconds(80)),
    retry=Retry(max_attempts=1, backoff=seconds(0), jitter=0),
)


@LETTER.phase
async def write(ctx: Context, to: str, slowly: float = 0, lost: bool = False) -> Any:
    """Run by others."""
    raise NotImplementedError(ctx, to, slowly, lost)


@write.undo
async def tear_up(ctx: Context, to: str, slowly: float, lost: bool, written: Any) -> None:
    """Run by others."""
    raise NotImplementedError(ctx, to, slowly, lost, written)


@LETTER.phase
async def send(ctx: Context, to: str, slowly: float = 0, lost: bool = False) -> Any:
    """Run by others."""
    raise NotImplementedError(ctx, to, slowly, lost)


def block(language: str) -> str:
    """The only program of that language on the page."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


def need(*programs: str) -> None:
    """Skip where one of them is not there."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)} on this machine")


@asynccontextmanager
async def working(command: Sequence[str], url: str) -> AsyncIterator[None]:
    """A worker as a process, stopped in order at the end."""
    env = {"PARCAE_URL": url, "PARCAE_TOKEN": TOKENS[Scope.WORK], "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(*command, env=env)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), SOON) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def written(host: Engine, count: int) -> None:
    """Letters are written and sent, each under its own key."""
    handles = [await host.submit(LETTER(f'Ἀ "{number}"')) for number in range(count)]
    for number, handle in enumerate(handles):
        outcome = await handle.wait()
        assert outcome.status is Status.COMPLETED, outcome
        assert outcome.result == {"sent": True, "key": f"{handle.job_id}/send"}
        blobs = await host.blobs(handle.job_id, ["result/write"])
        assert f'Ἀ \\"{number}\\", all is well.'.encode() in blobs["result/write"]


def test_given_the_worker_in_shell_when_jobs_come_then_it_runs_them(tmp_path: Path) -> None:
    """L1, S25."""
    need("sh", "curl", "jq")
    script = tmp_path / "worker.sh"
    # A stop waits for the claim that waits.
    script.write_text(block("sh").replace('\\"wait\\": 20', '\\"wait\\": 1'))

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with asyncio.timeout(SOON), served(make_app(host, access=access())) as url:
            async with working(["sh", str(script)], url):
                await written(host, 1)
                # More than fits into an argument of a process.
                large = await host.submit(LETTER("y" * 300_000))
                assert (await large.wait()).completed
            failing = script.read_text().replace(" send) ", " send) exit 3 ;;\n        never) ")
            script.write_text(failing)
            async with working(["sh", str(script)], url):
                failed = await host.submit(LETTER("Troy"))
                outcome = await failed.wait()
                assert outcome.status is Status.COMPENSATED
                assert outcome.error is not None
                assert outcome.error.type == "Exit"
            script.write_text(failing.replace("exit 3 ;;", "exec sleep 60 ;;"))
            async with working(["sh", str(script)], url):
                slow = await host.submit(LETTER("Troy"))
                await _sending(host, slow.job_id)
                assert (await host.cancel(slow.job_id)).outcome is CancelOutcome.CANCELLING
                assert (await slow.wait()).status is Status.COMPENSATED
        assert (await fsck(host.store)).clean

    asyncio.run(scenario())


def test_given_the_worker_in_javascript_when_jobs_come_then_it_runs_them(tmp_path: Path) -> None:
    """L1, S25: over a wire, moreover, that loses a third of what is said."""
    need("node")
    script = tmp_path / "worker.mjs"
    script.write_text(block("javascript"))
    node = shutil.which("node")
    assert node is not None
    count = iter(range(10**6))

    def fate(_: bytes) -> Fate:
        number = next(count)
        return FAULTS[number // 3 % len(FAULTS)] if number % 3 == 0 else Fate.PASS

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with (
            asyncio.timeout(SOON),
            served(make_app(host, access=access())) as url,
            between(url) as proxy,
            working([node, str(script)], proxy.url),
        ):
            proxy.fate = fate
            await written(host, 6)
            proxy.fate = lambda _: Fate.PASS
            lost = await (await host.submit(LETTER("Troy", lost=True))).wait()
            assert lost.status is Status.COMPENSATED
            assert lost.error is not None
            assert lost.error.message == "the post is lost"
            slow = await host.submit(LETTER("Troy", slowly=60))
            await _sending(host, slow.job_id)
            assert (await host.cancel(slow.job_id)).outcome is CancelOutcome.CANCELLING
            assert (await slow.wait()).status is Status.COMPENSATED
        assert (await fsck(host.store)).clean

    asyncio.run(scenario())


async def _sending(host: Engine, job_id: Any) -> None:
    mark = host.news()
    while (await host.show(job_id)).running_phase != 1:
        mark = await host.wait_for_news(mark)
