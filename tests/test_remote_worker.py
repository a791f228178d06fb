"""A worker without the database: woken, interrupted, cut off, sealed and refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from http_server import TOKENS, access, served

from parcae import (
    CancelOutcome,
    Context,
    Engine,
    Jobs,
    OnLost,
    Retry,
    Status,
    Timing,
    fsck,
    seconds,
)
from parcae import events as e
from parcae.answers import Renewed
from parcae.commands import Renew
from parcae.errors import Unavailable
from parcae.handle import Held
from parcae.values import JobId, WorkerId
from parcae_adapters.cron import CronCalendar
from parcae_adapters.http import elapsed, outbound
from parcae_adapters.http.app import make_app
from parcae_adapters.http.outbound import Sealed, client_session
from parcae_adapters.http.remote import RemoteEngine, token_from
from parcae_adapters.http.route import Scope
from parcae_adapters.http.waiting import CROWD
from parcae_adapters.http.wire import Refused, Wire
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

SOON = 20.0
SHORT = Timing(lease=seconds(0.6), renewal=seconds(0.2), attempt=seconds(30))
ONCE = Retry(max_attempts=3, backoff=seconds(0), jitter=0)
ME = WorkerId("me")


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds; there is nobody who could tell."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def application(host: Engine) -> web.Application:
    """A server's, on ``host``."""
    return make_app(host, access=access())


@asynccontextmanager
async def elsewhere(host: Engine, scope: Scope = Scope.WORK) -> AsyncIterator[RemoteEngine]:
    """An engine on a server of its own."""
    async with (
        asyncio.timeout(SOON),
        served(application(host)) as url,
        RemoteEngine(url, TOKENS[scope]) as engine,
    ):
        yield engine


def test_given_an_idle_remote_worker_when_a_job_comes_then_it_is_woken_at_once() -> None:
    """L2: by news, not by looking now and then."""
    jobs = Jobs()

    @jobs.job("stamp")
    async def stamp(_: Context) -> float:
        return time.monotonic()

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with elsewhere(host) as engine, Worker(engine, jobs) as worker:
            delays = []
            for _ in range(5):
                await asyncio.sleep(0.05)
                began = time.monotonic()
                outcome = await (await host.submit(stamp())).wait()
                assert outcome.result is not None
                delays.append(outcome.result - began)
            (found,) = await host.store.workers()
            assert (found.id, found.kinds) == (worker.name, ("stamp",))
            # Without news it would be LOOK, a second.
            assert sorted(delays)[2] < 0.5, delays
        assert not await host.store.workers()

    asyncio.run(scenario())


def test_given_a_cancel_when_a_remote_handler_runs_then_it_is_interrupted() -> None:
    """S9."""
    jobs = Jobs()
    running, stopped = asyncio.Event(), asyncio.Event()

    @jobs.job("forever")
    async def forever(_: Context) -> None:
        running.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            stopped.set()

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with elsewhere(host) as engine, Worker(engine, jobs):
            handle = await host.submit(forever())
            await running.wait()
            answer = await host.cancel(handle.job_id)
            assert answer.outcome is CancelOutcome.CANCELLING
            assert (await handle.wait()).status is Status.CANCELLED
            assert stopped.is_set()

    asyncio.run(scenario())


def test_given_a_server_that_is_restarted_when_a_job_runs_then_it_is_kept_and_completes() -> None:
    """L1, S3: the worker waits for the server, and the lease lasts meanwhile."""
    jobs = Jobs()
    running, go_on = asyncio.Event(), asyncio.Event()

    @jobs.job("patient")
    async def patient(_: Context) -> str:
        running.set()
        await go_on.wait()
        return "done"

    async def scenario() -> None:
        host = Engine(MemoryStore())
        handle = await host.submit(patient())
        first = await _started(host, 0)
        port = first.addresses[0][1]
        engine = RemoteEngine(f"http://127.0.0.1:{port}", TOKENS[Scope.WORK])
        async with asyncio.timeout(SOON), engine, Worker(engine, jobs):
            await running.wait()
            await first.cleanup()
            with pytest.raises(Unavailable):
                await engine.cancels(ME)
            go_on.set()
            second = await _started(host, port)
            outcome = await handle.wait()
            assert (outcome.status, outcome.result) == (Status.COMPLETED, "done")
            later = await host.submit(patient())
            assert (await later.wait()).completed
        await second.cleanup()
        started = [one for one in await host.history(handle.job_id) if type(one.event) is e.Started]
        assert len(started) == 1
        assert (await fsck(host.store)).clean

    asyncio.run(scenario())


async def _started(host: Engine, port: int) -> web.AppRunner:
    runner = web.AppRunner(application(host), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def test_given_a_server_that_is_gone_when_the_lease_ends_then_the_handler_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S21, S24: the worker counts the time itself, and does not believe in an old lease."""
    monkeypatch.setattr("parcae_adapters.http.wire.LONGEST_PAUSE", 0.05)
    jobs = Jobs()
    running, stopped = asyncio.Event(), asyncio.Event()

    @jobs.job("held", timing=SHORT, retry=ONCE, on_lost=OnLost(times=5))
    async def held(_: Context) -> None:
        running.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            stopped.set()

    async def scenario() -> None:
        host = Engine(MemoryStore())
        await host.submit(held())
        runner = await _started(host, 0)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with asyncio.timeout(SOON), RemoteEngine(url, TOKENS[Scope.WORK]) as engine:
            worker = Worker(engine, jobs)
            working = asyncio.create_task(worker.run())
            await running.wait()
            await runner.cleanup()
            await stopped.wait()
            worker.stop()
            worker.stop()
            await working

    asyncio.run(scenario())


def test_given_a_machine_whose_clock_is_set_when_a_lease_is_taken_then_its_end_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S21: whatever the clock of the worker's machine says, before and after."""
    days = iter((0, 400, -400, 0, 3, -3))

    class Wild(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=next(days, 77))

    monkeypatch.setattr(elapsed, "datetime", Wild)
    jobs = Jobs()

    @jobs.job("j", timing=SHORT)
    async def job(_: Context) -> None: ...

    async def scenario() -> None:
        host = Engine(MemoryStore())
        await host.submit(job())
        async with elsewhere(host) as engine:
            (held,) = await engine.claim(ME, jobs.kinds, request="1")
            left = held.expires_at - engine.clock.now()
            assert seconds(0) < left <= SHORT.lease
            stored = await host.stored(held.job.id)
            assert stored is not None
            assert stored.liveness is not None
            real = stored.liveness.expires_at - host.clock.now()
            assert left <= real + seconds(0.05)
            await engine.clock.sleep_until(held.expires_at)
            assert host.clock.now() >= stored.liveness.expires_at - seconds(0.2)

    asyncio.run(scenario())


def test_given_an_answer_that_is_late_when_a_lease_is_taken_then_it_is_not_thought_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S24: the time that an answer was on its way is counted against the lease."""
    exchanged = Wire._exchanged

    async def late(self: Wire, *args: Any) -> Any:
        found = await exchanged(self, *args)
        await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(Wire, "_exchanged", late)
    jobs = Jobs()

    @jobs.job("j", timing=SHORT)
    async def job(_: Context) -> None: ...

    async def scenario() -> None:
        host = Engine(MemoryStore())
        await host.submit(job())
        async with elsewhere(host) as engine:
            (held,) = await engine.claim(ME, jobs.kinds, request="1")
            renew = Held(job_id=held.job.id, command=Renew(token=held.lease.token))
            (renewed,) = await engine.renew([renew])
            assert isinstance(renewed, Renewed)
            stored = await host.stored(held.job.id)
            assert stored is not None
            assert stored.liveness is not None
            real = stored.liveness.expires_at - host.clock.now()
            assert renewed.expires_at - engine.clock.now() <= real
            assert held.expires_at - engine.clock.now() <= seconds(0.2)

    asyncio.run(scenario())


def test_given_a_claim_that_waits_when_work_comes_then_it_is_granted_with_its_whole_lease() -> None:
    """S24: the time that the claim has waited is not taken from the lease."""
    jobs = Jobs()

    @jobs.job("j", timing=SHORT)
    async def job(_: Context) -> None: ...

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with elsewhere(host) as engine:
            asked = engine.claim(ME, jobs.kinds, request="1", wait=10)
            waiting = asyncio.create_task(asked)
            await asyncio.sleep(0.3)
            assert not waiting.done()
            job_id = (await host.submit(job())).job_id
            (held,) = await waiting
            assert held.job.id == job_id
            assert seconds(0.4) < held.expires_at - engine.clock.now() <= SHORT.lease
            began = time.monotonic()
            assert not await engine.claim(ME, jobs.kinds, request="2", wait=0.2)
            assert time.monotonic() - began >= 0.2

    asyncio.run(scenario())


def test_given_a_claim_that_waits_when_its_connection_is_lost_then_it_claims_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S3: work goes to those who are there."""
    monkeypatch.setattr("parcae_adapters.http.waiting.LOOK", 0.02)
    jobs = Jobs()

    @jobs.job("j")
    async def job(_: Context) -> None: ...

    async def scenario() -> None:
        host = Engine(MemoryStore())
        app = application(host)
        async with served(app) as url, RemoteEngine(url, TOKENS[Scope.WORK]) as engine:
            asked = engine.claim(ME, jobs.kinds, request="1", wait=30)
            waiting = asyncio.create_task(asked)
            async with asyncio.timeout(SOON):
                await until(lambda: app[CROWD].waiting == 1)
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting
                await until(lambda: app[CROWD].waiting == 0)
            job_id = (await host.submit(job())).job_id
            assert (await host.show(job_id)).lease is None
            (held,) = await engine.claim(WorkerId("other"), jobs.kinds, request="2")
            assert (held.job.id, held.lease.token) == (job_id, 1)

    asyncio.run(scenario())


def test_given_a_handler_that_blocks_its_event_loop_when_it_works_then_its_lease_is_kept() -> None:
    """S29: the wire and the keeper have threads of their own."""
    jobs = Jobs()

    @jobs.job("block", timing=SHORT, retry=ONCE)
    async def block(_: Context) -> str:
        time.sleep(1.5)  # noqa: ASYNC251 - that is the point
        return "kept"

    host = Engine(MemoryStore())
    ready, finished = threading.Event(), threading.Event()
    where: list[str] = []

    async def serving() -> None:
        async with served(application(host)) as url:
            where.append(url)
            ready.set()
            while not finished.is_set():
                await asyncio.sleep(0.02)
                await host.reconcile()

    async def scenario() -> None:
        handle = await host.submit(block())
        async with RemoteEngine(where[0], TOKENS[Scope.WORK]) as engine, Worker(engine, jobs):
            outcome = await handle.wait()
        assert (outcome.result, outcome.reconciled) == ("kept", False)
        assert (await host.show(handle.job_id)).losses == 0

    thread = threading.Thread(target=lambda: asyncio.run(serving()))
    thread.start()
    ready.wait()
    try:
        asyncio.run(scenario())
    finally:
        finished.set()
        thread.join()


def test_given_a_lost_lease_when_inputs_are_asked_for_then_it_is_told_what_is_known() -> None:
    """S4: with the token of somebody else one reads nothing."""
    jobs = Jobs()

    @jobs.job("j")
    async def job(_: Context, secret: str) -> None: ...

    async def scenario() -> None:
        host = Engine(MemoryStore())
        job_id = (await host.submit(job("s3cr3t"))).job_id
        await host.claim(ME, jobs.kinds, request="1")
        async with served(application(host)) as url, aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {TOKENS[Scope.WORK]}"}
            path = f"{url}/v1/leases/{job_id}/inputs"
            async with session.get(path, headers=headers, params={"token": "7"}) as response:
                text = await response.text()
                assert (response.status, "s3cr3t" in text) == (409, False)
                problem = await response.json(content_type="application/problem+json")
            assert problem["type"].endswith("lease-lost")
            assert (problem["job_status"], problem["current_token"]) == ("running", 1)
            async with session.get(path, headers=headers, params={"token": "1"}) as response:
                assert await response.json() == {
                    "payload": {"secret": "s3cr3t"},
                    "results": {},
                    "parents": {},
                }

    asyncio.run(scenario())


def test_given_a_token_of_another_scope_when_a_worker_comes_then_it_is_refused() -> None:
    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with elsewhere(host, Scope.OPERATE) as engine:
            with pytest.raises(Refused, match="scope work"):
                await engine.introduce()
        async with elsewhere(host) as engine:
            await engine.introduce()
            with pytest.raises(Refused, match="scope operate"):
                await engine.show(JobId("x"))

    asyncio.run(scenario())


def test_given_a_file_of_a_token_when_it_changes_then_the_new_one_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"

    async def scenario() -> None:
        host = Engine(MemoryStore())
        async with (
            served(application(host)) as url,
            RemoteEngine(url, token_from(file)) as engine,
        ):
            for text, match in ((None, "cannot read"), ("", "one token"), ("a b", "one token")):
                if text is not None:
                    file.write_text(text)
                with pytest.raises(Refused, match=match):
                    await engine.cancels(ME)
            file.write_text(f"{TOKENS[Scope.WORK]}\n")
            assert await engine.cancels(ME) == {}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "jobs.example",
        "ftp://jobs.example",
        "http://jobs.example",
        "https://u:p@jobs.example",
        "http://",
    ],
)
def test_given_an_address_that_is_none_when_it_is_opened_then_it_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        RemoteEngine(url, "t")


def test_given_a_seal_when_a_connection_is_asked_for_then_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S15: sealed from the start, by the environment, and between two questions."""
    with pytest.raises(Sealed, match="sealed"):
        RemoteEngine("http://127.0.0.1:9", "t", sealed=True)
    with monkeypatch.context() as patched:
        patched.setenv(outbound.SEALED, "1")
        with pytest.raises(Sealed, match="PARCAE_SEALED"):
            RemoteEngine("http://127.0.0.1:9", "t")

    async def scenario() -> None:
        sealed = False
        host = Engine(MemoryStore())
        async with (
            served(application(host)) as url,
            RemoteEngine(url, TOKENS[Scope.WORK], sealed=lambda: sealed) as engine,
        ):
            assert await engine.cancels(ME) == {}
            sealed = True
            with pytest.raises(Sealed):
                await engine.cancels(ME)
            sealed = False
            assert await engine.cancels(ME) == {}

    asyncio.run(scenario())


def test_given_a_policy_when_an_address_is_not_permitted_then_nothing_is_connected() -> None:
    """S15: asked with the very address that is connected to."""
    asked: list[tuple[str, str]] = []

    class Nowhere(outbound.Anywhere):
        def permit(self, host: str, address: outbound.Address) -> None:
            asked.append((host, address[4][0]))
            raise OSError("not there")

    async def scenario() -> None:
        async with served(application(Engine(MemoryStore()))) as url:
            async with client_session(policy=Nowhere()) as session:
                with pytest.raises(aiohttp.ClientConnectorError):
                    await session.get(f"{url}/livez", allow_redirects=False)
            async with (
                client_session() as session,
                session.get(f"{url}/livez", allow_redirects=False) as response,
            ):
                with pytest.raises(outbound.TooLong):
                    await outbound.read(response, 3)

    asyncio.run(scenario())
    assert asked == [("127.0.0.1", "127.0.0.1")]


def test_given_a_calendar_when_the_jobs_are_elsewhere_then_the_worker_says_it_cannot() -> None:
    async def scenario() -> None:
        async with elsewhere(Engine(MemoryStore())) as engine:
            with pytest.raises(TypeError, match="leave out the calendar"):
                Worker(engine, Jobs(), calendar=CronCalendar())

    asyncio.run(scenario())


def test_given_a_job_that_goes_on_when_somebody_waits_for_it_then_no_longer_than_said() -> None:
    jobs = Jobs()

    @jobs.job("j")
    async def job(_: Context) -> None: ...

    async def scenario() -> None:
        async with elsewhere(Engine(MemoryStore()), Scope.OPERATE) as engine:
            handle = await engine.submit(job())
            for timeout in (0.0, 0.2):
                began = time.monotonic()
                with pytest.raises(TimeoutError, match="still scheduled"):
                    await handle.wait(seconds(timeout))
                assert timeout <= time.monotonic() - began < timeout + 2

    asyncio.run(scenario())
